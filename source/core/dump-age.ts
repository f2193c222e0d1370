/** Milliseconds; the newest good dump of a database should not be older: a day, and two hours for the run. */
export const freshFor = 26 * 3_600_000;
