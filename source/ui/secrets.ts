/** What a person types to open dumps. */
import type {Secrets} from '../core/handle.js';

/** A text with a private key in it is not shown, and is no path. */
export function isPrivateKey(text: string): boolean {
	return /AGE-SECRET-KEY-/i.test(text);
}

/** From one field: the key itself, also out of a whole file that was pasted; or the path of its file. */
export function secretsFrom(text: string): Secrets {
	if (text.trim() === '') return {};
	if (!isPrivateKey(text)) return {keyFile: text.trim()};
	return {privateKey: (text.match(/AGE-SECRET-KEY-[\w-]+/gi) ?? [text]).join('\n')};
}

/** What was typed before and now: private keys add up, of all else the last counts. */
export function joinSecrets(before: Secrets | undefined, now: Secrets): Secrets {
	const keys = new Set([before?.privateKey, now.privateKey].flatMap(text => text?.split('\n') ?? []));
	return {...before, ...now, ...(keys.size > 0 && {privateKey: [...keys].join('\n')})};
}
