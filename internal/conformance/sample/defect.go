package sample

// Defect is a rule that an agent breaks.
type Defect string

// Defects. The zero value is a good agent.
const (
	JSONOnly         Defect = "reads JSON only"            // allowed
	NoPromises       Defect = "takes no promises"          // allowed
	NoCall           Defect = "does not offer call"        // allowed
	Stateless        Defect = "shows nothing of itself"    // allowed
	Mute             Defect = "answers nothing"            //
	SilentOnGarbage  Defect = "silent on garbage"          //
	DiesOnGarbage    Defect = "dies on garbage"            //
	TakesGarbage     Defect = "takes garbage for a text"   //
	AnyVersion       Defect = "reads any version"          //
	VersionUnnamed   Defect = "refuses versions unnamed"   //
	StrictFields     Defect = "refuses unknown fields"     //
	NineFields       Defect = "wants exactly nine fields"  //
	OneMessage       Defect = "reads the first message"    //
	NoneIsIgnored    Defect = "silent without a message"   //
	ASCII            Defect = "garbles what is not ASCII"  //
	AlwaysMsgpack    Defect = "answers in msgpack"         //
	NoContentType    Defect = "no Content-Type"            //
	NoErrorCode      Defect = "errors without code"        //
	NoErrorText      Defect = "errors without text"        //
	OwnErrorCode     Defect = "codes of its own"           //
	EmptyError       Defect = "errors without a message"   //
	TraceOfInterview Defect = "remembers interviews"       //
	StateCounts      Defect = "reading the state counts"   //
	TwiceDone        Defect = "forgets request ids"        //
	TwiceAnswered    Defect = "new answer, same id"        //
	SlowIDs          Defect = "notes request ids too late" //
	AllAtOnce        Defect = "handles all at once"        //
	AnyVerb          Defect = "any verb is reply"          //
	AnyType          Defect = "any Content-Type is JSON"   //
	DropsLarge       Defect = "drops large messages"       //
	DiesOfNoInbox    Defect = "dies without an inbox"      //
	SkipsNoInbox     Defect = "skips what has no inbox"    //
	IgnoresDeadline  Defect = "ignores deadlines"          //
	AnswersTwice     Defect = "answers twice"              //
	BlindToPromises  Defect = "takes a promise as empty"   //
	HastyHolder      Defect = "gives promises up at once"  //
	PromiseFailed    Defect = "renames errors of promises" //
	WaitsForTheLost  Defect = "waits for lost producers"   //
	NeverKeeps       Defect = "never keeps a promise"      //
	KeepsOnce        Defect = "keeps a promise once"       //
	NewPromise       Defect = "repeated call, new promise" //
	SilentTasks      Defect = "silent on unknown promises" //
	NoBeats          Defect = "gives no sign of life"      //
	OtherRun         Defect = "promises in another run"    //
)
