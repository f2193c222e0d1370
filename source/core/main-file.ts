import type {JobKind, PublishedFile} from './events.js';

/** The file that a job is about: of a download that was decrypted the plain one, of a dump the one that is shipped. */
export function mainFile<File extends PublishedFile>(job: {
	readonly kind: JobKind;
	readonly files: readonly File[];
}): File | undefined {
	const files = job.files.filter(file => file.role !== 'checksum');
	const plain = job.kind === 'download' ? files.find(file => !file.encrypted) : undefined;
	return plain ?? files[0];
}

type Shipped = {
	readonly kind: JobKind;
	readonly files: readonly (PublishedFile & {readonly removed?: true})[];
	readonly uploads: readonly {readonly path: string; readonly location: string; readonly key: string}[];
};

/** Where what a job made is, for people: here, unless it was removed after its upload, and at the remote. */
export function placesOf(job: Shipped): string[] {
	const file = mainFile(job);
	const upload = job.uploads.find(one => !file || one.path === file.path || one.path.startsWith(`${file.path}/`));
	// Of a directory dump the members were shipped.
	const key =
		upload && (file ? upload.key.slice(0, upload.key.length + file.path.length - upload.path.length) : upload.key);
	return [...(file && !(file.removed && upload) ? [file.path] : []), ...(upload ? [`${upload.location}${key}`] : [])];
}
