// Functions that every backup executes, compiled when their file is loaded, so that Node's compile cache holds them: it keeps what is
// compiled at load, and V8 postpones each function until its first call, unless it is in parentheses.
import {readFile, writeFile} from 'node:fs/promises';
import typescript from 'typescript';
import {sourceName} from './source-name.mjs';

const {createSourceFile, isFunctionDeclaration, ScriptKind, ScriptTarget} = typescript;
const list = new URL('eager-functions.txt', import.meta.url);

/** Rewrites `function plan() {}` of a joined file to `var plan=(function() {})` at its start: as early as a declaration. */
export async function compileEagerly(file) {
	const names = new Set((await readFile(list, 'utf8')).trim().split('\n'));
	const text = await readFile(file, 'utf8');
	const source = createSourceFile(file, text, ScriptTarget.Latest, false, ScriptKind.JS);
	const eager = [];
	let rest = '';
	let end = 0;
	for (const statement of source.statements) {
		if (!isFunctionDeclaration(statement) || !names.has(sourceName(statement.name.text))) continue;
		const start = statement.getStart(source);
		const {text: name, pos, end: nameEnd} = statement.name;
		eager.push(`${name}=(${text.slice(start, pos)}${text.slice(nameEnd, statement.end)})`);
		rest += text.slice(end, start);
		end = statement.end;
	}
	if (eager.length === 0) throw new Error(`${file}: where are the functions of ${list.pathname}?`);
	await writeFile(file, `var ${eager.join(',')};${rest}${text.slice(end)}`);
}
