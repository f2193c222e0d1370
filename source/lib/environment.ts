/** Environment variables: those of a process, or those that a child gets. */
export type Environment = Readonly<Record<string, string | undefined>>;
