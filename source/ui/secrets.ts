/** Secrets that the user enters to open dumps. */
import type {Secrets} from '../core/secrets.js';

/** Returns true for a text that contains a private key: it is not shown, and is not a path. */
export function isPrivateKey(text: string): boolean {
	return /AGE-SECRET-KEY-/i.test(text);
}

/** Parses one field: a private key, also within the pasted text of its file, or the path of the file. */
export function secretsFrom(text: string): Secrets {
	if (text.trim() === '') return {};
	if (!isPrivateKey(text)) return {keyFile: text.trim()};
	return {privateKey: (text.match(/AGE-SECRET-KEY-[\w-]+/gi) ?? [text]).join('\n')};
}

/** Merges earlier and new secrets: private keys are collected, any other secret is replaced. */
export function joinSecrets(before: Secrets | undefined, now: Secrets): Secrets {
	const keys = new Set([before?.privateKey, now.privateKey].flatMap(text => text?.split('\n') ?? []));
	return {...before, ...now, ...(keys.size > 0 && {privateKey: [...keys].join('\n')})};
}
