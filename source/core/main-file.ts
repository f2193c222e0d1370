import type {FileRole, JobKind, PublishedFile} from './events.js';

/** Returns true for the file of a backup's job that its other files belong to. */
export function isMainRole(role: FileRole): boolean {
	return role !== 'checksum' && role !== 'createdb';
}

/**
 * Returns the main file of a job: for a decrypted download the decrypted file, for a dump the file that is uploaded.
 */
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

/** Returns one upload of the result for each place, in the order in which they ended: that of the main file. */
export function mainUploads<Upload extends Shipped['uploads'][number]>(
	job: Omit<Shipped, 'uploads'> & {readonly uploads: readonly Upload[]},
): readonly Upload[] {
	const file = mainFile(job);
	const own = job.uploads.filter(({path}) => !file || path === file.path || path.startsWith(`${file.path}/`));
	return own.filter((one, index) => own.findIndex(({location}) => location === one.location) === index);
}

/**
 * Returns where the result of a job is stored, for people: locally, unless it was removed after its upload, and at each
 * remote.
 */
export function placesOf(job: Shipped): string[] {
	const file = mainFile(job);
	const uploads = mainUploads(job);
	// For a directory dump the members were uploaded.
	const keyOf = ({key, path}: Shipped['uploads'][number]) =>
		file ? key.slice(0, key.length + file.path.length - path.length) : key;
	return [
		...(file && !(file.removed && uploads.length > 0) ? [file.path] : []),
		...uploads.map(upload => `${upload.location}${keyOf(upload)}`),
	];
}
