// Package reading reads an agent's reply into the value a question asks for.
//
// A Reader is built for one question and round. Its Rule accepts only what can be read without judgement: JSON of the
// declared type, an "Answer:" tag, or a reply whose only number (or choice, or scale point) stands where an answer
// stands; the code of the one fenced block; the texts between declared tags. Everything else is an error that names why, and
// goes to a model: first to extract the value (ExtractionPrompt, Extraction), then to ask again (ReaskPrompt). SchemaFor and
// StructuredFor tell a server beforehand what Rule reads. Accepting nothing wrongly matters more than accepting much, because an
// extraction costs one call while a wrong value stays in the result unseen. testdata/corpus.jsonl shows both sides.
//
// The package is pure: no I/O, no goroutines, time linear in the reply. It may import internal/llm (for Message), the
// JSON Schema library, and the standard library; never a service or pkg/scenario.
package reading
