/**
 * Properties of a database with bytes that are not UTF-8: its comment and settings were written in its own encoding.
 * Only a session in the database itself can write them again.
 */
import {messageOf} from '../core/errors.js';
import {display} from '../lib/display.js';
import {hasRawBytes} from '../lib/raw-text.js';
import type {Session} from '../postgres/session.js';
import type {RunContext} from '../runs/context.js';
import type {RestoreTarget} from './restore-target.js';
import type {GlobalRole} from './roles.js';

export type Properties = {
	/** For a session in another database, in the transaction of the rename. */
	readonly shared: readonly string[];
	/** For `applyInside`. */
	readonly inside: readonly string[];
};

/** `encoding` is that of the session in the other database, and `legible` decodes raw bytes. */
export function splitRaw(
	statements: readonly string[],
	{encoding, legible}: {readonly encoding: string; readonly legible: (text: string) => string},
): Properties {
	if (encoding === 'SQL_ASCII') return {shared: statements, inside: []};
	// All text of such a server is in that encoding, names of roles too; the session converts it.
	if (encoding !== 'UTF8') return {shared: statements.map(legible), inside: []};
	// The order of settings is a part of the catalog.
	return statements.some(hasRawBytes) ? {shared: [], inside: statements} : {shared: statements, inside: []};
}

/** Removes what only a session in the right encoding could write, and returns what that was, for people. */
export function withoutRaw(role: GlobalRole): {readonly role: GlobalRole; readonly removed: readonly string[]} {
	const isRaw = hasRawBytes(role.comment ?? '');
	const settings = role.settings.filter(hasRawBytes);
	return {
		role: {
			...role,
			comment: isRaw ? undefined : role.comment,
			settings: role.settings.filter(setting => !settings.includes(setting)),
		},
		removed: [...(isRaw ? ['its comment'] : []), ...settings.map(setting => display(setting))],
	};
}

/**
 * Runs the statements, those with raw bytes in the database. What cannot be restored, such as what its encoding forbids,
 * causes a warning.
 */
export async function applyInside(
	run: Pick<RunContext, 'emit' | 'signal'>,
	{open, session: outside}: Pick<RestoreTarget, 'open' | 'session'>,
	database: string,
	statements: readonly string[],
): Promise<void> {
	if (statements.length === 0) return;
	const warn = (statement: string, error: unknown) => {
		run.signal.throwIfAborted();
		const text = `${display(database)}: not restored (${messageOf(error)}): ${display(statement.slice(0, 200))}`;
		run.emit({type: 'log', level: 'warn', text});
	};
	let session: Session;
	try {
		session = await open(database);
	} catch (error) {
		for (const statement of statements) warn(statement, error);
		return;
	}
	try {
		// Text as it is: the server checks it, but does not convert it.
		await session.query("select pg_catalog.set_config('client_encoding', 'SQL_ASCII', false)");
		for (const statement of statements) {
			try {
				await (hasRawBytes(statement) ? session : outside).query(statement, {timeout: 0});
			} catch (error) {
				warn(statement, error);
			}
		}
	} finally {
		await session.close();
	}
}
