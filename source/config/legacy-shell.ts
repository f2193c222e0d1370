/** Detects shell syntax in a configuration file of pg_back 1, which was a shell script. */

/** Settings with a command, which pg_back runs without a shell. */
const commands: ReadonlySet<string> = new Set(['PGBK_PRE_BACKUP_COMMAND', 'PGBK_POST_BACKUP_COMMAND']);

/**
 * Returns a warning when the value of a v1 setting means something else than in the shell; otherwise undefined. `value`
 * is the text after `=`, with its quotes.
 */
export function shellOnly(name: string, value: string): string | undefined {
	const found = signs(value, commands.has(name));
	if (found.expansion !== undefined)
		return `contains ${found.expansion}, which is copied unchanged: pg_back expands nothing, write the value itself`;
	if (found.operator !== undefined)
		return commands.has(name)
			? `contains ${found.operator}, which is passed literally: pg_back runs commands without a shell, write sh -c '…'`
			: `contains ${found.operator}, which is copied unchanged: pg_back runs no shell`;
	return undefined;
}

/** Returns true when a quote of the value is not closed on its line: the shell would continue to read. */
export function isContinued(value: string): boolean {
	return signs(value, false).isOpen;
}

type Signs = {
	/** Such as `$(` or `$HOST`. */
	readonly expansion: string | undefined;
	/** Such as `&&`; inside quotes it only matters in commands. */
	readonly operator: string | undefined;
	readonly isOpen: boolean;
};

function signs(value: string, isCommand: boolean): Signs {
	let quote = '';
	let expansion: string | undefined;
	let operator: string | undefined;
	for (let index = 0; index < value.length; index++) {
		const character = value.charAt(index);
		const rest = value.slice(index);
		if (character === '\\' && quote !== "'") index++;
		else if (character === quote) quote = '';
		else if (quote === '' && (character === '"' || character === "'")) quote = character;
		else {
			// A shell expands between double quotes too.
			if (quote !== "'") expansion ??= /^(?:\$[({]|\$[A-Za-z_]\w*|`)/.exec(rest)?.[0];
			if (quote === '' || isCommand) operator ??= /^(?:\|\|?|&&?|;|>>?|<)/.exec(rest)?.[0];
		}
	}
	return {expansion, operator, isOpen: quote !== ''};
}
