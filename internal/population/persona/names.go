package persona

import (
	"strings"
	"sync"
)

// culture is a stock of names that go together.
type culture struct {
	name        string
	female      []string
	male        []string
	family      []familyName
	familyFirst bool
}

// familyName has a form for women where the language makes a difference.
type familyName struct{ male, female string }

// of is the form that goes with the given name.
func (f familyName) of(female bool) string {
	if female {
		return f.female
	}
	return f.male
}

// nameLines lists, per culture: its name ("*" where the family name comes first), given names of women, given names of
// men, family names ("Nowak" or "Kowalski/Kowalska").
const nameLines = `
english|Emma Olivia Grace Hannah Chloe Alice Megan Laura Rachel Zoe Abigail Natalie Sophie Claire Ruth Joan|James Oliver Henry Jack Thomas Daniel Samuel Luke Adam Nathan George Edward Simon Peter Ryan Alan|Smith Taylor Walker Wright Hughes Clarke Baker Turner Cooper Morgan Bennett Foster Reed Hayes Murray Palmer Webb Chapman Barnes Fletcher
spanish|Sofía Lucía Carmen Elena Valeria Camila Isabel Paula Marta Daniela Rosa Gabriela Ana Julia Pilar Teresa|Mateo Santiago Diego Javier Carlos Luis Miguel Andrés Pablo Fernando Alejandro Jorge Ricardo Raúl Tomás Hugo|García Martínez López González Rodríguez Fernández Sánchez Ramírez Torres Flores Rivera Gómez Díaz Vargas Castillo Morales Ortiz Herrera Medina Ruiz
portuguese|Ana Beatriz Mariana Larissa Camila Fernanda Juliana Letícia Inês Catarina Rita Joana|João Pedro Lucas Rafael Gustavo Tiago Miguel Bruno Felipe André Rui Duarte|Silva Santos Oliveira Souza Pereira Costa Ferreira Almeida Ribeiro Carvalho Gomes Martins Rocha Barbosa Teixeira Moreira
french|Camille Léa Manon Chloé Juliette Élise Margaux Inès Claire Sophie Amélie Nathalie|Lucas Hugo Louis Antoine Julien Mathieu Nicolas Étienne Olivier Pierre Rémi Bastien|Martin Bernard Dubois Moreau Laurent Girard Lefebvre Mercier Fontaine Rousseau Blanc Garnier Chevalier Lambert Renard Masson
german|Anna Lena Julia Katharina Miriam Sabine Greta Johanna Franziska Birgit Heike Clara|Lukas Jonas Felix Matthias Stefan Tobias Florian Markus Jürgen Klaus Moritz Andreas|Müller Schmidt Schneider Fischer Weber Wagner Becker Hoffmann Schäfer Koch Richter Klein Wolf Neumann Schwarz Krüger
italian|Giulia Chiara Francesca Martina Sara Elisa Valentina Alessia Silvia Paola Lucia Serena|Luca Marco Matteo Andrea Lorenzo Davide Simone Giovanni Paolo Stefano Riccardo Antonio|Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Conti Gallo Costa Fontana Moretti Barbieri
dutch|Sanne Anouk Lotte Femke Maaike Eva Iris Marieke Fleur Noor Hanneke Roos|Daan Sem Bram Thijs Jeroen Pieter Ruben Maarten Sander Koen Jasper Wouter|Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Brouwer Kuipers Postma
nordic|Astrid Ingrid Freja Maja Elsa Signe Linnea Karin Solveig Maren Hedda Kirsten|Erik Lars Magnus Nils Henrik Anders Oskar Emil Gustav Jens Mikkel Sven|Andersson Johansson Lindberg Berg Holm Nilsson Dahl Hansen Larsen Sørensen Lund Eriksson Bakken Strand Nygaard Ekström
finnish|Aino Helmi Sanna Kaisa Tuuli Riikka Marja Päivi Outi Eeva|Mikko Antti Juhani Ville Eero Jari Timo Olli Pekka Tapio|Korhonen Virtanen Mäkinen Nieminen Hämäläinen Laine Heikkinen Koskinen Järvinen Lehtonen Salminen Rantanen
polish|Zofia Agnieszka Katarzyna Magdalena Ewa Joanna Hanna Maja Barbara Alicja|Jakub Piotr Tomasz Krzysztof Paweł Marek Michał Wojciech Adam Kacper|Nowak Wójcik Kowalski/Kowalska Wiśniewski/Wiśniewska Zieliński/Zielińska Lewandowski/Lewandowska Mazur Krawczyk Dąbrowski/Dąbrowska Pawlak Górski/Górska Sikora
slavic|Anastasia Olga Irina Natalia Tatiana Svetlana Ekaterina Daria Oksana Yulia|Dmitri Ivan Sergei Alexei Nikolai Andrei Mikhail Pavel Viktor Oleg|Ivanov/Ivanova Petrov/Petrova Smirnov/Smirnova Kuznetsov/Kuznetsova Volkov/Volkova Sokolov/Sokolova Morozov/Morozova Lebedev/Lebedeva Kozlov/Kozlova Novikov/Novikova Popov/Popova Shevchenko
czech|Tereza Jana Lucie Petra Eliška Markéta Veronika Alena Zuzana Hana|Jan Petr Tomáš Jakub Ondřej Martin Lukáš Pavel Vojtěch Jiří|Novák/Nováková Svoboda/Svobodová Dvořák/Dvořáková Černý/Černá Procházka/Procházková Kučera/Kučerová Veselý/Veselá Horák/Horáková Němec/Němcová Beneš/Benešová
balkan|Ana Ivana Milica Jelena Marija Sara Katarina Lana Nina Vesna|Marko Nikola Luka Ivan Stefan Filip Milan Petar Damir Goran|Jovanović Petrović Marković Horvat Kovač Nikolić Babić Marić Ilić Novak Pavlović Tomić
hungarian|Anna Eszter Katalin Zsófia Réka Dóra Judit Ágnes Nóra Boglárka|László Gábor Zoltán Péter Balázs Bence Ádám Tamás Márton András|Nagy Kovács Tóth Szabó Horváth Varga Kiss Molnár Németh Farkas Balogh Papp
romanian|Maria Elena Ioana Andreea Alexandra Cristina Raluca Mihaela Simona Diana|Andrei Alexandru Mihai Ion Stefan Radu Vlad Bogdan Cristian Florin|Popescu Ionescu Popa Dumitru Stan Stoica Gheorghe Marin Tudor Barbu Moldovan Munteanu
greek|Maria Eleni Katerina Sofia Dimitra Ioanna Anna Despina Christina Zoe|Giorgos Nikos Dimitris Kostas Yannis Panagiotis Vasilis Stavros Thanos Petros|Papadopoulos/Papadopoulou Georgiou Nikolaidis/Nikolaidou Economou Dimitriou Vlachos/Vlachou Pappas/Pappa Angelopoulos/Angelopoulou Makris/Makri Christodoulou
turkish|Ayşe Elif Zeynep Fatma Merve Emine Selin Derya Esra Gül|Mehmet Mustafa Ahmet Emre Murat Burak Hakan Kerem Yusuf Cem|Yılmaz Kaya Demir Çelik Şahin Yıldız Aydın Öztürk Arslan Doğan Kılıç Aslan
arabic|Fatima Aisha Layla Nour Mariam Salma Yasmin Huda Amira Zainab Rania Samira|Ahmed Omar Youssef Karim Hassan Khalid Ali Tariq Samir Nabil Mahmoud Ibrahim|Hassan Haddad Mansour Khalil Saleh Nasser Aziz Farouk Rahman Amin Hamdi Sabbagh Khoury Darwish
persian|Maryam Zahra Sara Nasrin Shirin Leila Parisa Mina Roya Azadeh|Reza Ali Mohammad Hossein Amir Mehdi Babak Kamran Farhad Dariush|Hosseini Ahmadi Karimi Rezaei Moradi Jafari Rahimi Sadeghi Kazemi Tehrani Shirazi Bahrami
hebrew|Noa Tamar Maya Yael Shira Michal Adi Rivka Hila Orly|David Yosef Noam Itai Eitan Amit Yonatan Moshe Avi Gil|Cohen Levi Mizrahi Peretz Biton Friedman Katz Azoulay Shapiro Golan Dayan Sharon
indian|Priya Ananya Kavita Sunita Lakshmi Neha Pooja Meera Divya Asha Rekha Shreya Nandini Radha|Arjun Rahul Vikram Sanjay Rohan Amit Suresh Anil Kiran Ravi Manoj Deepak Gopal Nikhil|Sharma Patel Gupta Reddy Nair Iyer Verma Joshi Mehta Desai Rao Das Kulkarni Chatterjee Pillai Mishra Bose Menon Jain Yadav
urdu|Ayesha Sana Hina Nadia Farah Rabia Saima Bushra Amna Mehwish Shazia Lubna|Bilal Usman Imran Faisal Hamza Asif Kamran Tariq Nadeem Adnan Zubair Shahid|Khan Malik Ahmed Hussain Sheikh Qureshi Chaudhry Butt Iqbal Mirza Siddiqui Rahman Akhtar Islam Hossain Raza
chinese*|Mei Xiaoling Fang Lihua Yan Jing Xiuying Min Hui Ting Yuxin Qian Lan Shuang|Wei Jun Ming Hao Lei Tao Jianguo Bin Peng Yong Zhiqiang Kai Dong Xiang|Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Luo Liang
japanese|Yuki Sakura Haruka Aiko Yoko Naomi Keiko Mariko Emi Rina Akiko Misaki|Haruto Kenji Takashi Hiroshi Daiki Satoshi Yuto Kazuo Ryo Shota Makoto Naoki|Sato Suzuki Takahashi Tanaka Watanabe Ito Yamamoto Nakamura Kobayashi Kato Yoshida Yamada Sasaki Matsumoto Inoue Kimura
korean*|Minji Jiwoo Seoyeon Hyejin Yuna Eunji Soyeon Jimin Sunhee Hana|Minho Jihoon Seungwoo Hyunwoo Dongha Joon Sangmin Taeyang Youngho Junseo|Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Shin
vietnamese*|Linh Mai Lan Hoa Huong Thao Trang Ngoc Phuong Anh|Minh Tuan Hung Dung Nam Khoa Duc Long Quang Huy|Nguyen Tran Le Pham Hoang Phan Vu Dang Bui Do Ngo Duong
thai|Malee Siriporn Ploy Kanya Nok Suda Achara Wanida Busaba Pim|Somchai Anan Niran Prasert Kittisak Wichai Arthit Sakda Chai Thanawat|Saetang Srisai Wongsa Chaiyasit Boonmee Thongchai Rattanakul Suwan Kaewmanee Phromma
indonesian|Siti Dewi Ayu Putri Rina Sari Indah Wulan Ratna Fitri Nur Lestari|Budi Agus Andi Rizky Dimas Hendra Eko Bayu Joko Fajar Arif Yusuf|Santoso Wijaya Susanto Hidayat Saputra Nugroho Setiawan Kurniawan Hartono Gunawan Siregar Halim Pratama Utami
filipino|Maria Angelica Jasmine Rosario Liza Grace Corazon Carmela Luz Bianca|Jose Juan Mark Angelo Ramon Carlo Emilio Rodel Gabriel Nestor|Santos Reyes Cruz Bautista Garcia Mendoza Villanueva Aquino Ramos Dizon Salazar Pascual
nigerian|Ngozi Amina Chioma Funke Adaeze Yetunde Halima Ifeoma Bisi Zainab Kemi Nneka|Chinedu Emeka Tunde Ibrahim Olumide Musa Segun Obinna Sani Kunle Uche Femi|Okafor Adeyemi Bello Okonkwo Balogun Eze Abubakar Ogunleye Nwosu Danjuma Adebayo Obi Lawal Chukwu Oyelaran Umar
ghanaian|Ama Akosua Abena Efua Esi Adwoa Afia Yaa Akua Serwaa|Kwame Kofi Kwabena Yaw Kojo Kwesi Nana Ebo Kweku Fiifi|Mensah Owusu Boateng Asante Osei Appiah Addo Ansah Amoah Darko
swahili|Wanjiru Akinyi Amani Neema Zawadi Rehema Njeri Achieng Faith Mercy|Kamau Otieno Baraka Juma Mwangi Kiprop Hamisi Brian Joseph Musa|Mwangi Odhiambo Kariuki Wekesa Kimani Mushi Omondi Njoroge Kato Mutua Kiptoo Massawe
ethiopian|Hana Selam Tigist Meron Almaz Bethlehem Rahel Eden Genet Aster|Abebe Dawit Yonas Tesfaye Bekele Solomon Mulugeta Henok Kebede Girma|Tadesse Haile Bekele Alemu Tesfaye Worku Desta Mengistu Assefa Negash
southafrican|Thandi Nomsa Lerato Zanele Naledi Ayanda Lindiwe Palesa Karen Refilwe|Sipho Thabo Bongani Mandla Tshepo Lwazi Pieter Kagiso Johan Themba|Nkosi Dlamini Mokoena Khumalo Naidoo Botha Ndlovu Molefe Zulu Mahlangu Venter Sithole
`

// cultures reads nameLines once.
var cultures = sync.OnceValue(func() []culture {
	var out []culture
	for line := range strings.Lines(nameLines) {
		part := strings.Split(strings.TrimSpace(line), "|")
		if len(part) != 4 {
			continue
		}
		name, first := strings.CutSuffix(part[0], "*")
		c := culture{name: name, familyFirst: first, female: strings.Fields(part[1]), male: strings.Fields(part[2])}
		for f := range strings.FieldsSeq(part[3]) {
			male, female, two := strings.Cut(f, "/")
			if !two {
				female = male
			}
			c.family = append(c.family, familyName{male, female})
		}
		out = append(out, c)
	}
	return out
})

// cultureNamed is the index of a culture; the first if there is none of that name, which the tests rule out.
func cultureNamed(name string) int {
	for i, c := range cultures() {
		if c.name == name {
			return i
		}
	}
	return 0
}

// AppendName appends the agent's name to dst.
func (w *Writer) AppendName(dst []byte, agent int) []byte {
	all := cultures()
	c := &all[w.pick(agent, drawCulture, len(all))]
	if n := of(w, agent, w.nation, w.nations); n != nil {
		c = &all[n.culture]
	}
	female := false
	switch of(w, agent, w.gender, w.genders).names {
	case namesFemale:
		female = true
	case namesAny:
		female = w.pick(agent, drawNameGender, 2) == 1
	}
	given := c.male
	if female {
		given = c.female
	}
	first := given[w.pick(agent, drawGiven, len(given))]
	second := c.family[w.pick(agent, drawFamily, len(c.family))].of(female)
	if c.familyFirst {
		first, second = second, first
	}
	dst = append(dst, first...)
	dst = append(dst, ' ')
	return append(dst, second...)
}
