import type {ChecksumAlgorithm} from '../core/formats.js';
import {once} from '../lib/single-chunk.js';
import {type Content, discardAll, type OutputSettings, storedDigests, writeArtifact, type Written} from './artifact.js';

/**
 * Writes the checksum files of published files, in the form that `shaXsum -c` reads in their directory: `X.A` of the
 * plain file or directory, and for encrypted ones `X.age.A`, `X.A.age` and `X.A.age.A` (docs/reference.md). Names are
 * relative to the checksum file.
 */
export async function writeChecksums(
	written: Written,
	settings: OutputSettings,
	signal: AbortSignal,
): Promise<Written[]> {
	const {algorithm, encryption} = settings;
	if (!algorithm) return [];
	const {plainPath, contents, directory} = written;
	const plainText = contents.map(content => line(content, 'plain', algorithm, directory ? ' *' : '  ')).join('');
	const plainName = `${plainPath}.${algorithm}`;
	const sealed = {settings: {...settings, keepSource: false}, role: 'checksum', signal} as const;
	const open = {...sealed, settings: {...sealed.settings, encryption: undefined}} as const;
	if (!encryption) return [await writeArtifact(once(Buffer.from(plainText)), {...open, plainPath: plainName})];
	const writes: Promise<Written>[] = [];
	const write = (text: string, options: typeof open | typeof sealed, name: string): Promise<Written> => {
		const writing = writeArtifact(once(Buffer.from(text)), {...options, plainPath: name});
		writing.catch(() => undefined); // thrown where it is awaited, below
		writes.push(writing);
		return writing;
	};
	const cipherText = contents.map(content => line(content, 'cipher', algorithm, ' *')).join('');
	try {
		void write(cipherText, open, `${plainPath}.age.${algorithm}`);
		const list = await write(plainText, sealed, plainName);
		const listText = list.contents.map(content => line(content, 'cipher', algorithm, ' *')).join('');
		void write(listText, open, `${plainName}.age.${algorithm}`);
		if (settings.keepSource) void write(plainText, open, plainName);
		return await Promise.all(writes);
	} catch (error) {
		const ended = await Promise.allSettled(writes);
		await discardAll(ended.flatMap(one => (one.status === 'fulfilled' ? [one.value] : [])));
		throw error;
	}
}

function line(content: Content, side: 'plain' | 'cipher', algorithm: ChecksumAlgorithm, mark: string): string {
	const digest = storedDigests(content, side === 'cipher')?.[algorithm];
	if (digest === undefined) throw new TypeError(`the ${algorithm} checksum of ${content.name} was not computed`);
	const name = side === 'plain' ? content.name : `${content.name}.age`;
	return /[\\\n\r]/.test(name)
		? `\\${digest}${mark}${name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}\n`
		: `${digest}${mark}${name}\n`;
}
