package persona

// frame is what is written around a name.
type frame struct{ before, after string }

// introWho is followed by who the agent is.
var introWho = [3]frame{
	{"You are ", ", "},
	{"Your name is ", ", and you are "},
	{"People know you as ", ", "},
}

// introFacts is followed by clauses.
var introFacts = [3]frame{
	{"You are called ", "; "},
	{"Your name is ", ", and "},
	{"You go by the name of ", ", and "},
}

// introName is followed by a name and nothing else.
var introName = [3]string{"You are ", "Your name is ", "You go by the name of "}

// factFrames is followed by "aspect: category", possibly several.
var factFrames = []string{
	"Also true of you is this: ",
	"Something more about you: ",
	"Asked about yourself, you would state this: ",
	"What else there is to say about you: ",
}

var hobbyFrames = []string{
	"In your free time you like to ",
	"When the day is done you like to ",
	"On a quiet weekend you like to ",
	"You have always liked to ",
	"If there is an hour to spare, you ",
	"Whenever you can, you ",
}

// hobbies name no skill that could matter to what an agent is asked, and no circumstance that a category could deny.
var hobbies = []string{
	"bake bread", "grow herbs on the windowsill", "listen to old songs", "collect postcards", "watch birds",
	"make soup from whatever there is", "knit scarves", "press flowers", "fold paper figures", "carve small figures from wood",
	"look after a few tomato plants", "listen to plays on the radio", "hum along to the radio", "collect pebbles and shells",
	"paint with watercolours", "draw people from memory", "take photographs of doors and windows", "watch old films",
	"try out new recipes", "mend old things", "play the harmonica", "look at the clouds", "collect tea tins", "sing in the kitchen",
	"look through family photographs", "sew patchwork", "make candles", "tend a cactus or two", "tell stories", "make jam",
	"listen to football on the radio", "arrange flowers", "polish old coins", "feed the sparrows", "watch the street from the window",
	"make lanterns out of paper", "string beads", "dry mushrooms and herbs", "model with clay", "put together old clocks",
}

var joyFrames = []string{
	"you are fond of ",
	"you have a soft spot for ",
	"few things please you as much as ",
	"you take pleasure in ",
	"you are easily cheered by ",
}

var joys = []string{
	"the smell of fresh coffee", "the sound of rain on a roof", "ripe apricots", "the first warm day of spring", "the smell of cut grass",
	"a cup of strong tea", "the colour of autumn leaves", "clear winter mornings", "the smell of old wood", "a bowl of good soup",
	"the light just before sunset", "the chime of an old clock", "freshly washed sheets", "the taste of honey", "a starry sky",
	"the sound of a train far away", "cinnamon in almost anything", "the smell of the sea", "fresh bread with butter", "the colour blue",
	"a warm blanket", "the crackle of a fire", "the song of blackbirds", "fog in the morning", "the scent of oranges",
	"a well-made pair of shoes", "the first snow", "wind in the trees", "roasted chestnuts", "the hum of a market",
	"the smell of rain on dry ground", "ice cream on a hot day", "an old melody", "peppermint tea", "long summer evenings", "dumplings of any kind",
}
