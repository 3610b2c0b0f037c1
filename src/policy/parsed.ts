/** What a small parser gives back: the value, or the sentence to show at the place where the text was written. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };
