import type {ChecksumAlgorithm} from '../core/formats.js';
import {discardAll, writeArtifact, type Content, type OutputSettings, type Written} from './artifact.js';
import {once} from '../lib/once.js';

/**
 * The checksum files of what was written, as `shaXsum -c` reads them from their own directory: `X.A` of the plain file or directory,
 * and for encrypted ones `X.age.A`, `X.A.age` and `X.A.age.A` (README, "Files"). Names stand relative to the checksum file.
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
	const made: Written[] = [];
	const cipherText = contents.map(content => line(content, 'cipher', algorithm, ' *')).join('');
	try {
		made.push(
			await writeArtifact(once(Buffer.from(cipherText)), {...open, plainPath: `${plainPath}.age.${algorithm}`}),
		);
		const list = await writeArtifact(once(Buffer.from(plainText)), {...sealed, plainPath: plainName});
		made.push(list);
		const listText = list.contents.map(content => line(content, 'cipher', algorithm, ' *')).join('');
		made.push(await writeArtifact(once(Buffer.from(listText)), {...open, plainPath: `${plainName}.age.${algorithm}`}));
		if (settings.keepSource)
			made.push(await writeArtifact(once(Buffer.from(plainText)), {...open, plainPath: plainName}));
	} catch (error) {
		await discardAll(made);
		throw error;
	}
	return made;
}

function line(content: Content, side: 'plain' | 'cipher', algorithm: ChecksumAlgorithm, mark: string): string {
	const digest = (side === 'plain' ? content.plainDigests : content.cipherDigests)?.[algorithm];
	if (digest === undefined) throw new TypeError(`no ${algorithm} of ${content.name} was taken`);
	const name = side === 'plain' ? content.name : `${content.name}.age`;
	return /[\\\n\r]/.test(name)
		? `\\${digest}${mark}${name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}\n`
		: `${digest}${mark}${name}\n`;
}
