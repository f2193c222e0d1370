/** What a statement of another session may be shown as, and which table one of pg_dump is about. Pure. */

/** One line, without literals, numbers, parameters and comments, `length` characters at the most. */
export function shortStatement(text: string, length = 80): string {
	const bare = text
		.replaceAll(/--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g, ' ')
		// A literal that was cut off goes on to the end.
		.replaceAll(/\b[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|\\?$)/g, '?')
		.replaceAll(/(?:\b[bBxXnN]|\b[uU]&)?'(?:[^']|'')*(?:'|$)/g, '?')
		.replaceAll(/\$([A-Za-z_\u0080-\uFFFF][\w\u0080-\uFFFF]*)?\$[\s\S]*?(?:\$\1\$|$)/g, '?')
		.replaceAll(/"(?:[^"]|"")*(?:"|$)|(?<![\w$\u0080-\uFFFF])\d[\w.]*/g, part => (part.startsWith('"') ? part : '?'))
		.replaceAll(/\s+/g, ' ')
		.trim();
	// Not within a pair of surrogates.
	return bare.length <= length ? bare : `${bare.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

export type TableName = {readonly schema: string; readonly name: string};

const identifierSource = String.raw`(?:"((?:[^"]|"")+)"|([^\s".(),;]+))`;
const copyPattern = new RegExp(String.raw`^COPY ${identifierSource}\.${identifierSource}(?: |\()`, 'i');

/** The table that `COPY schema.name (…) TO stdout` reads; undefined for anything else. */
export function copiedTable(query: string): TableName | undefined {
	const match = copyPattern.exec(query);
	if (!match) return undefined;
	const [, quotedSchema, schema, quotedName, name] = match as (string | undefined)[];
	return {schema: unquoted(quotedSchema, schema), name: unquoted(quotedName, name)};
}

/** What pg_dump does with a statement of its first phase. A COPY is not one of them. */
export function schemaActivity(query: string): string | undefined {
	if (/^COPY /i.test(query)) return undefined;
	return /^LOCK TABLE /i.test(query) ? 'locking tables' : 'reading the schema';
}

function unquoted(quoted: string | undefined, plain: string | undefined): string {
	return quoted?.replaceAll('""', '"') ?? plain ?? '';
}
