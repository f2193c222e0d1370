/** The result of parsing a text: its value, or the problem (lower case, no full stop). */
export type Parsed<T> =
	{readonly value: T; readonly problem?: undefined} | {readonly value?: undefined; readonly problem: string};
