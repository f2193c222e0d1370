/** The ids of the jobs of a backup, and what they dump. */
import type {Subject} from '../retention/names.js';

type Job = {readonly kind: string; readonly name: string};

export function databaseJobId(name: string): string {
	return `database:${name}`;
}

/** Returns the id of the job that dumps a database or a server-wide file. */
export function jobId({kind, name}: Job): string {
	return kind === 'database' ? databaseJobId(name) : kind;
}

/** Returns what a job dumps; undefined for other jobs, such as uploads left by an earlier run. */
export function subjectOf({kind, name}: Job): Subject | undefined {
	switch (kind) {
		case 'database':
			return {kind, name};
		case 'globals':
		case 'settings':
		case 'hba':
		case 'ident':
			return {kind};
		default:
			return undefined;
	}
}
