/** Decides whether two runs dumped the same server: several servers may store their dumps under one remote prefix. */

export type ServerIdentity = {
	/** From pg_control, the same on a primary and its standbys; undefined if it may not be read. */
	readonly systemIdentifier?: string | undefined;
	/** `db1:5432`; for a socket or loopback the host name. Undefined if unknown. */
	readonly address?: string | undefined;
};

/** Returns the address of a server as seen from the host `machine`. */
export function addressOf(
	host: string | undefined,
	port: string | undefined,
	machine: string | undefined,
): string | undefined {
	const isHere = host === undefined || host === '' || /^(?:[/@]|localhost$|127\.|::1$)/.test(host);
	const name = isHere ? machine : host;
	return name === undefined || name === '' ? undefined : `${name.toLowerCase()}:${port || '5432'}`;
}

/**
 * Returns which other server the run of `theirs` dumped, such as `another server (db2:5432)`; undefined when it is the
 * same, or when too little is known. The address is only compared if an identifier is unknown, because a server may
 * have several names.
 */
export function otherServer(theirs: ServerIdentity | undefined, own: ServerIdentity | undefined): string | undefined {
	if (theirs === undefined || own === undefined) return undefined;
	const {systemIdentifier, address} = theirs;
	if (systemIdentifier !== undefined && own.systemIdentifier !== undefined)
		return systemIdentifier === own.systemIdentifier ? undefined : `another server (${address ?? systemIdentifier})`;
	return address === undefined || own.address === undefined || address === own.address
		? undefined
		: `another server (${address})`;
}
