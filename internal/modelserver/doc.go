// Package modelserver is the HTTP client of one model server that speaks the OpenAI API: it asks for one completion or
// for a batch of them, passes other calls through, and reads health and load. It makes one attempt and says exactly what
// became of it; which call goes where, together with which, and whether again, is decided by its user.
//
// Request bodies are written and responses are read by hand, because a million conversations pass through in a round;
// what is asked seldom goes through the client library of OpenAI.
// Only a whole and well-formed response gives a completion: text of a response that was cut off is never used.
//
// It imports internal/llm (the messages of a conversation) and libraries, never the bus or a service.
package modelserver
