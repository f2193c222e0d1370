/** Which secret opens chosen dumps, found out from their first bytes before anything is fetched. */
import {messageOf, PgBackError} from '../core/errors.js';
import type {MissingSecret} from '../core/handle.js';
import {dumpOf} from '../retention/names.js';
import type {SecretContext} from '../runs/context.js';
import {loadRunDecryption} from '../runs/identities.js';
import {missingSecret} from '../runs/key-material.js';
import {openHeader} from '../stages/age/header.js';
import type {DecryptionKeys} from '../stages/age/identities.js';
import {describeIdentities} from '../stages/age/identity-recipients.js';
import {needsPassphrase, readHeader} from '../stages/age/read-header.js';
import type {Place} from './place.js';

/** Of many dumps so many are looked at: they may be of times when other keys were in use. */
const mostSamples = 4;

/**
 * What must be asked for to decrypt `keys`, with what is configured and given; undefined when nothing is missing. Throws what is wrong
 * with secrets that were given, and what the place answers.
 */
export async function missingForDumps(
	run: SecretContext,
	place: Place,
	keys: readonly string[],
): Promise<MissingSecret | undefined> {
	const configured = await missingSecret(run);
	const samples = await Promise.all(
		spread(keys.filter(key => key.endsWith('.age'))).map(async path => ({
			path,
			header: await headerOf(run.signal, place, path),
		})),
	);
	if (samples.length === 0) return configured;
	const withPassphrase = samples.filter(({header}) => needsPassphrase(header)).length;
	const kind = withPassphrase === 0 ? 'private key' : withPassphrase === samples.length ? 'passphrase' : 'key';
	if (configured) return configured.kind === 'identity passphrase' && kind !== 'passphrase' ? configured : {kind};
	try {
		return await tryKeys(run.signal, place, await loadRunDecryption(run), {samples, kind});
	} catch (error) {
		// What a person has just typed is told to them; what is configured can be made up for by typing.
		if (run.secrets || !(error instanceof PgBackError)) throw error;
		return {kind, problem: messageOf(error)};
	}
}

type Sample = {readonly path: string; readonly header: Uint8Array};

/** Undefined when one of the samples opens: what others need shows with them. */
async function tryKeys(
	signal: AbortSignal,
	place: Place,
	keys: DecryptionKeys,
	{samples, kind}: {readonly samples: readonly Sample[]; readonly kind: 'key' | 'passphrase' | 'private key'},
): Promise<MissingSecret | undefined> {
	let problem: string | undefined;
	for (const {path, header} of samples) {
		try {
			await openHeader(header, keys, signal);
			return undefined;
		} catch (error) {
			if (!(error instanceof PgBackError) || error.code !== 'WRONG_KEY') throw error;
			problem ??= (await problemByRecipient(signal, place, keys, path)) ?? error.message;
		}
	}
	return {kind, ...(problem !== undefined && {problem})};
}

/** For whom the dump is, where its manifest says so, and whose the key is. */
async function problemByRecipient(
	signal: AbortSignal,
	place: Place,
	{identities}: DecryptionKeys,
	path: string,
): Promise<string | undefined> {
	if (identities.length === 0) return undefined;
	const dump = dumpOf(path);
	const files = (await place.manifests(signal)).flatMap(({manifest}) => manifest.files);
	const recipients = files.find(file => file.path === dump)?.encryption?.to;
	if (recipients === undefined || recipients.length === 0) return undefined;
	const mine = await describeIdentities(identities);
	return `this dump is encrypted to ${recipients.join(', ')}, but the key is for ${mine}`;
}

async function headerOf(signal: AbortSignal, place: Place, path: string): Promise<Uint8Array> {
	const stop = new AbortController();
	try {
		return await readHeader(place.read(path, AbortSignal.any([signal, stop.signal])));
	} finally {
		stop.abort();
	}
}

/** The first and the last, and some between. */
function spread(keys: readonly string[]): readonly string[] {
	if (keys.length <= mostSamples) return keys;
	return Array.from({length: mostSamples}, (_, index) =>
		keys.at(Math.round((index * (keys.length - 1)) / (mostSamples - 1))),
	).filter(key => key !== undefined);
}
