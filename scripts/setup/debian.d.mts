/** Unpacks `packages` of Debian 13 and all that they need into `directory`, which becomes the root of a system. */
export function unpackSystem(packages: readonly string[], directory: string): Promise<void>;
/** Unpacks the PostgreSQL clients of `majors` with their libraries into /opt of the system in `directory`. */
export function unpackClientsInto(majors: readonly number[], directory: string): Promise<void>;
