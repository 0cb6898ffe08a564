package persona

import (
	"strings"
	"sync"
)

// country is a nationality and where its people's names come from.
type country struct {
	adjective string // "Italian"
	from      string // "Italy", as after "from"
	culture   int    // index into cultures
}

// countryLines lists culture, adjective, country as after "from", and further spellings people use in data.
const countryLines = `
english|American|the United States|usa,us,u.s.,u.s.a.,united states of america,america,us american
english|British|the United Kingdom|uk,u.k.,great britain,britain,united kingdom of great britain and northern ireland
english|English|England|
english|Scottish|Scotland|
english|Welsh|Wales|
english|Irish|Ireland|republic of ireland
english|Canadian|Canada|
english|Australian|Australia|
english|New Zealand|New Zealand|new zealander,nz
english|Jamaican|Jamaica|
spanish|Spanish|Spain|
spanish|Mexican|Mexico|
spanish|Argentine|Argentina|argentinian
spanish|Chilean|Chile|
spanish|Colombian|Colombia|
spanish|Peruvian|Peru|
spanish|Venezuelan|Venezuela|
spanish|Cuban|Cuba|
spanish|Ecuadorian|Ecuador|
spanish|Guatemalan|Guatemala|
portuguese|Portuguese|Portugal|
portuguese|Brazilian|Brazil|
portuguese|Angolan|Angola|
french|French|France|
french|Belgian|Belgium|
german|German|Germany|
german|Austrian|Austria|
german|Swiss|Switzerland|
italian|Italian|Italy|
dutch|Dutch|the Netherlands|holland
nordic|Swedish|Sweden|swede
nordic|Norwegian|Norway|
nordic|Danish|Denmark|dane
finnish|Finnish|Finland|finn
polish|Polish|Poland|pole
slavic|Russian|Russia|russian federation
slavic|Ukrainian|Ukraine|
slavic|Belarusian|Belarus|
slavic|Bulgarian|Bulgaria|
czech|Czech|the Czech Republic|czechia
czech|Slovak|Slovakia|
balkan|Serbian|Serbia|serb
balkan|Croatian|Croatia|croat
balkan|Bosnian|Bosnia and Herzegovina|bosnia
hungarian|Hungarian|Hungary|
romanian|Romanian|Romania|
greek|Greek|Greece|
turkish|Turkish|Turkey|türkiye,turk
arabic|Egyptian|Egypt|
arabic|Moroccan|Morocco|
arabic|Algerian|Algeria|
arabic|Tunisian|Tunisia|
arabic|Saudi|Saudi Arabia|saudi arabian
arabic|Iraqi|Iraq|
arabic|Syrian|Syria|
arabic|Jordanian|Jordan|
arabic|Lebanese|Lebanon|
persian|Iranian|Iran|persian
hebrew|Israeli|Israel|
indian|Indian|India|
indian|Nepalese|Nepal|nepali
indian|Sri Lankan|Sri Lanka|
urdu|Pakistani|Pakistan|
urdu|Bangladeshi|Bangladesh|
chinese|Chinese|China|prc,people's republic of china
chinese|Taiwanese|Taiwan|
chinese|Singaporean|Singapore|
japanese|Japanese|Japan|
korean|South Korean|South Korea|korean,korea,republic of korea
vietnamese|Vietnamese|Vietnam|viet nam
thai|Thai|Thailand|
indonesian|Indonesian|Indonesia|
indonesian|Malaysian|Malaysia|
filipino|Filipino|the Philippines|philippine,filipina
nigerian|Nigerian|Nigeria|
ghanaian|Ghanaian|Ghana|
swahili|Kenyan|Kenya|
swahili|Tanzanian|Tanzania|
swahili|Ugandan|Uganda|
ethiopian|Ethiopian|Ethiopia|
southafrican|South African|South Africa|
french|Congolese|the Congo|dr congo,democratic republic of the congo,congo
`

// countries finds a country under any of its names, in lower case.
var countries = sync.OnceValue(func() map[string]*country {
	out := map[string]*country{}
	for line := range strings.Lines(countryLines) {
		part := strings.Split(strings.TrimSpace(line), "|")
		if len(part) != 4 {
			continue
		}
		c := &country{adjective: part[1], from: part[2], culture: cultureNamed(part[0])}
		out[strings.ToLower(c.adjective)] = c
		out[strings.TrimPrefix(strings.ToLower(c.from), "the ")] = c
		for alias := range strings.SplitSeq(part[3], ",") {
			if alias != "" {
				out[alias] = c
			}
		}
	}
	return out
})

// readCountry is nil for a country that is not listed.
func readCountry(category string) *country {
	text := strings.ToLower(spaced(category))
	return countries()[strings.TrimPrefix(text, "the ")]
}
