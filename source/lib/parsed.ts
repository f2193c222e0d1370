/** What reading a text gives: its value, or what is wrong with it (lower case, no full stop). */
export type Parsed<T> =
	{readonly value: T; readonly problem?: undefined} | {readonly value?: undefined; readonly problem: string};
