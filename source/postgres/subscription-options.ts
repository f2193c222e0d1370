/** Options of subscriptions that pg_dump writes, and older servers do not know. Pure. */
import {nameOf, statementsOfEntry, type Token} from './sql-statements.js';

type Option = {
	/** The first version with it: older servers reject its name. */
	readonly since: number;
	/** Older servers do the same without the option if it has one of these values; undefined: whatever its value. */
	readonly same?: readonly string[];
};

const options: Readonly<Record<string, Option>> = {
	binary: {since: 140_000},
	streaming: {since: 140_000},
	two_phase: {since: 150_000, same: ['off', 'false']},
	disable_on_error: {since: 150_000, same: ['off', 'false']},
	origin: {since: 160_000, same: ['any']},
	password_required: {since: 160_000},
	run_as_owner: {since: 160_000, same: ['true', 'on']},
	failover: {since: 170_000, same: ['off', 'false']},
};

export type AdaptedSubscription = {
	readonly name: string;
	/** Without a semicolon. */
	readonly statement: string;
	/** Options that are left out or changed, because they make no difference to what the server replicates. */
	readonly without: readonly string[];
	/** Options that the server lacks and that cannot be left out. */
	readonly lacks: readonly string[];
};

/** Returns undefined for another statement, and for a subscription that a server of the version can create as it is. */
export function adaptSubscription(text: string, server: number): AdaptedSubscription | undefined {
	if (server >= 170_000 || !/^\s*create\s+subscription\s/i.test(text)) return undefined;
	const [statement] = statementsOfEntry(text);
	const withAt = statement?.tokens.findLastIndex(
		({kind, value}, at) => kind === 'word' && value === 'WITH' && statement.tokens[at + 1]?.value === '(',
	);
	const name = nameOf(statement?.tokens[2]);
	if (!statement || name === undefined || withAt === undefined || withAt === -1) return undefined;
	const [without, lacks]: [string[], string[]] = [[], []];
	const kept = optionsOf(statement.tokens.slice(withAt + 2, -1)).flatMap(({option, value, text: own}) => {
		const known = options[option];
		if (option === 'streaming' && value === 'parallel' && server >= 140_000 && server < 160_000) {
			without.push(`${option} = ${value}`);
			return ['streaming = on'];
		}
		if (!known || server >= known.since) return [own];
		if (known.same && !known.same.includes(value)) lacks.push(`${option} = ${value}`);
		else without.push(option);
		return [];
	});
	if (without.length === 0 && lacks.length === 0) return undefined;
	const head = statement.text.slice(0, statement.tokens[withAt]?.start);
	return {name, statement: `${head}WITH (${kept.join(', ')})`, without, lacks};
}

/** Returns the options between the parentheses, `name [= value]` with commas. */
function optionsOf(tokens: readonly Token[]) {
	const groups: Token[][] = [[]];
	for (const token of tokens) {
		if (token.kind === 'symbol' && token.value === ',') groups.push([]);
		else groups.at(-1)?.push(token);
	}
	return groups.flatMap(group => {
		const [first, , ...rest] = group;
		if (!first) return [];
		const value = rest.map(token => token.value.toLowerCase()).join('') || 'true';
		return [{option: nameOf(first) ?? '', value, text: group.map(token => token.text).join(' ')}];
	});
}
