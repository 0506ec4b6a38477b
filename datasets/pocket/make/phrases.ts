/** The wordings of instructions, so that the tokenizer knows their words. */
export const INSTRUCTION_PHRASES: readonly string[] = [
  "Describe the", "Describe this animal.", "Write about the", "Tell me more about the", "Explain how to", "Write a story about",
  "Tell a story about", "Compare the", "Compare these two.", "Describe a day of", "Write a letter from", "Plan a trip from",
  "What do people wrongly believe about", "Translate the following from English to Frell.", "Translate the following from Dorsk to Rumi.",
  "Who or what is meant?", "Answer the question.", "Is this true?", "Correct the sentence.", "Continue the story.",
  "Write a story with these words.", "Explain how to do this.", "List each animal of which this is true.", "Describe this person.",
];
