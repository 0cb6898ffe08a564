// Package persona writes names and backgrounds of fictional people: two to four sentences in the second person that
// agree with the categories an agent was given, whatever the aspects are called.
//
// Age, gender, occupation, nationality and education are put into words ("You are Giulia Ricci, a 31-year-old Italian
// woman."). Other aspects, and categories of these five that the package cannot read, are stated as "aspect: category".
// What fills the rest is deliberately harmless: hobbies and small pleasures, nothing that hints at skill, wealth,
// temper or opinion, so that a background says no more about an agent than its categories do.
//
// Nothing is stored for an agent. A text is a function of the seed, the agent's number and its categories, so it can be
// written anew whenever it is needed. Changing any word or the order of any list here changes texts that runs have
// already used: the version in package population must then be raised.
//
// The package is pure. It may import internal/rng and the standard library.
package persona
