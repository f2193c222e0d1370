import type {JobKind, PublishedFile} from './events.js';

/** The file that a job is about: of a download that was decrypted the plain one, of a dump the one that is shipped. */
export function mainFile(job: {
	readonly kind: JobKind;
	readonly files: readonly PublishedFile[];
}): PublishedFile | undefined {
	const files = job.files.filter(file => file.role !== 'checksum');
	const plain = job.kind === 'download' ? files.find(file => !file.encrypted) : undefined;
	return plain ?? files[0];
}
