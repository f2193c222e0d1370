import {redactUrls} from '../lib/redact.js';

/**
 * The error codes, with the exit status of each. Codes and statuses are part of the stable interface
 * (docs/reference.md); the texts are not.
 */
export const errorCodes = {
	FAILED: 1,
	DUMP_FAILED: 1,
	DATABASE_GONE: 1,
	DATABASE_MISSING: 1,
	NOTHING_TO_DO: 1,
	HOOK_FAILED: 1,
	PURGE_FAILED: 1,
	FILE_SYSTEM: 1,
	EXISTS: 1,
	USAGE: 2,
	CONFIG: 10,
	LOCKED: 11,
	CONNECTION: 12,
	TOOLS: 13,
	STORAGE: 14,
	REPLICATION: 15,
	WRONG_KEY: 16,
	CORRUPT: 17,
	TARGET_LACKS: 18,
	BUG: 70,
	CANCELLED: 130,
} as const;

export type ErrorCode = keyof typeof errorCodes;

export type ErrorDetails = {
	/** What the user should do: one line, lower case, no full stop. */
	readonly hint?: string;
	readonly cause?: unknown;
	/** Overrides the exit status of the code (128+N after signal N). */
	readonly exitCode?: number;
	/** The last lines that the child process wrote to stderr. */
	readonly output?: readonly string[];
	/** A restore: the patterns for `--skip` that leave out what has failed. */
	readonly skip?: readonly string[];
};

/** The base class of all errors of the program. `message` is one line: lower case, no full stop, no secret. */
export class PgBackError extends Error {
	override readonly name = 'PgBackError';
	readonly code: ErrorCode;
	readonly exitCode: number;
	readonly hint: string | undefined;
	readonly output: readonly string[];
	readonly skip: readonly string[];

	constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
		super(redactUrls(message), details.cause === undefined ? undefined : {cause: details.cause});
		this.code = code;
		this.exitCode = details.exitCode ?? errorCodes[code];
		this.hint = details.hint;
		this.output = details.output ?? [];
		this.skip = details.skip ?? [];
	}
}

/** Several problems found at once (configuration, command line); each message names its own place. */
export class ProblemsError extends PgBackError {
	readonly problems: readonly string[];

	constructor(code: 'USAGE' | 'CONFIG', problems: readonly string[], hint?: string) {
		super(code, problems.join('; '), {hint});
		this.problems = problems;
	}
}

/** The work was stopped on purpose: by a signal (`exitCode` 128+N) or by the user of the console. */
export class CancelledError extends PgBackError {
	constructor(reason = 'cancelled', exitCode: number = errorCodes.CANCELLED) {
		super('CANCELLED', reason, {exitCode});
	}
}

/** The job was stopped to make room for others and is requeued at the end of the run. */
export class RequeuedError extends CancelledError {}

/** Returns the message of any thrown value, on one line. */
export function messageOf(value: unknown): string {
	const text = value instanceof Error ? value.message : String(value);
	return redactUrls(text.replaceAll(/\s*\n\s*/g, ' ').trim()) || 'unknown error';
}

/** Converts any thrown value to a PgBackError. Any other value becomes a BUG. */
export function toPgBackError(value: unknown): PgBackError {
	if (value instanceof PgBackError) return value;
	if (isSystemError(value)) {
		return new PgBackError('FILE_SYSTEM', describeSystemError(value), {cause: value, hint: systemHint(value)});
	}
	if (isLostModule(value)) {
		return new PgBackError('FILE_SYSTEM', `a part of pg_back itself is missing: ${messageOf(value)}`, {
			cause: value,
			hint: 'pg_back was upgraded or removed during this run, or its disk fails: run it again, or install it again',
		});
	}
	return new PgBackError('BUG', messageOf(value), {cause: value});
}

/** Parts are loaded when they are needed: an upgrade during a run removes them. */
function isLostModule(value: unknown): boolean {
	return value instanceof Error && (value as Partial<SystemError>).code === 'ERR_MODULE_NOT_FOUND';
}

export type SystemError = Error & {
	readonly code: string;
	readonly errno?: number;
	readonly syscall?: string;
	readonly path?: string;
};

export function isSystemError(value: unknown): value is SystemError {
	return value instanceof Error && typeof (value as Partial<SystemError>).code === 'string' && 'syscall' in value;
}

/** Returns true when the disk or the quota is full. Node has no name for EDQUOT, only its number (errno -122). */
export function isDiskFull(value: unknown): boolean {
	return isSystemError(value) && (value.code === 'ENOSPC' || value.errno === -28 || value.errno === -122);
}

const systemTexts: Readonly<Record<string, string>> = {
	ENOENT: 'no such file or directory',
	EACCES: 'permission denied',
	EPERM: 'operation not permitted',
	EEXIST: 'file exists',
	ENOTDIR: 'not a directory',
	EISDIR: 'is a directory',
	ENOSPC: 'no space left on device',
	EROFS: 'read-only file system',
	EIO: 'input/output error',
	ENOTEMPTY: 'directory not empty',
	EMFILE: 'too many open files',
	ENAMETOOLONG: 'file name too long',
	ELOOP: 'too many symbolic links',
	EFBIG: 'file too large',
};

/** Formats a system error as the system's own tools do: `open /x: no such file or directory`. */
export function describeSystemError(error: SystemError): string {
	if (error.syscall === 'uv_cwd') return `the current directory cannot be used: ${systemReason(error)}`;
	return [error.syscall, error.path].filter(Boolean).join(' ') + `: ${systemReason(error)}`;
}

/** Returns the reason alone: `no such file or directory`. */
export function systemReason(error: SystemError): string {
	return error.errno === -122 ? 'disk quota exceeded' : (systemTexts[error.code] ?? error.message);
}

function systemHint(error: SystemError): string | undefined {
	if (isDiskFull(error)) return 'free some space, or purge older dumps, and run again';
	if (error.syscall === 'uv_cwd') return 'cd to a directory that exists, or use absolute paths';
	if (error.code === 'EACCES') return 'check the owner and the mode, or run as another user';
	return undefined;
}
