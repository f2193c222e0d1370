/** Writes the table of contents of a directory dump after its other members: with it the directory looks like a dump. */
import {isTableOfContents} from '../core/directory-dump.js';
import {CancelledError, PgBackError, toPgBackError} from '../core/errors.js';
import {display} from '../lib/display.js';
import {untilAborted} from '../lib/until-aborted.js';
import {parsePath} from '../retention/names.js';
import type {Task} from '../runs/scheduler.js';

/** A task that writes the file with this path or key. */
export type FileTask = {readonly path: string; readonly task: Task};

type Failed = {readonly path: string; readonly error: PgBackError};

/** The members of a dump. */
type Members = {
	/** The latest attempt of each task, by path; it resolves with its failure. Undefined before the first. */
	readonly attempts: Map<string, Promise<Failed | undefined> | undefined>;
	/** The jobs. */
	readonly ids: string[];
};

/**
 * Returns the tasks in an order in which those of tables of contents come last. Each waits for the other members of its
 * dump, and fails if one of them has failed, unless that exists already; it is repeated with that one.
 */
export function contentsLast(tasks: readonly FileTask[]): readonly Task[] {
	const dumps = new Map<string, Members>();
	const membersOf = (path: string, member: string): Members => {
		const dump = path.slice(0, -member.length);
		const members: Members = dumps.get(dump) ?? {attempts: new Map<string, undefined>(), ids: []};
		dumps.set(dump, members);
		return members;
	};
	const others: Task[] = [];
	const last: Task[] = [];
	for (const {path, task} of tasks) {
		const member = parsePath(path)?.member;
		if (member === undefined) others.push(task);
		else if (isTableOfContents(path)) last.push(afterOthers(path, task, membersOf(path, member)));
		else others.push(recorded(path, task, membersOf(path, member)));
	}
	return [...others, ...last];
}

function recorded(path: string, task: Task, {attempts, ids}: Members): Task {
	attempts.set(path, undefined);
	ids.push(task.plan.id);
	return {
		...task,
		run(control) {
			const attempt = task.run(control);
			const failed = attempt.then(
				() => undefined,
				(error: unknown) => ({path, error: toPgBackError(control.signal.aborted ? control.signal.reason : error)}),
			);
			attempts.set(path, failed);
			return attempt;
		},
	};
}

function afterOthers(path: string, task: Task, {attempts, ids}: Members): Task {
	return {
		...task,
		needs: ids,
		async run(control) {
			// The scheduler starts tasks in their order: what has not begun was canceled.
			const ends = [...attempts].map(async ([member, attempt]) =>
				attempt ? attempt : {path: member, error: new CancelledError()},
			);
			const results = await untilAborted(Promise.all(ends), control.signal);
			const failed = results.find(one => one !== undefined && one.error.code !== 'EXISTS');
			if (failed !== undefined) {
				throw new PgBackError(failed.error.code, `${display(path)} is left out: ${display(failed.path)} is missing`, {
					cause: failed.error,
				});
			}
			await task.run(control);
		},
	};
}
