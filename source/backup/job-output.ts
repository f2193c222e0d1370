/** Publishes what a job has written under the final names, with checksums, and uploads it. */
import {basename} from 'node:path';
import type {Contents} from '../postgres/recorded-contents.js';
import type {Subject} from '../retention/names.js';
import type {JobControl} from '../runs/scheduler.js';
import {type ArtifactOptions, discardAll, type PendingFile, publishAll, type Written} from '../stages/artifact.js';
import {writeChecksums} from '../stages/checksum.js';
import {MemberUploads} from '../stages/member-uploads.js';
import {StreamUploads} from '../stages/stream-uploads.js';
import {JobUploads, type Uploads} from '../stages/upload.js';
import type {BackupShared} from './backup-shared.js';
import {describeJob} from './describe-run.js';
import {type OutputNeeds, outputSettings} from './file-naming.js';
import type {PublishedJob} from './published-files.js';
import {readBackFile} from './read-back.js';
import {sendingOf} from './sending.js';
import {ShardUploads} from './shard-uploads.js';

/** What a job needs to write a file, except its name. */
export type OutputOptions = Omit<ArtifactOptions, 'plainPath' | 'role'>;

type JobDetails = {
	readonly subject: Subject;
	readonly time: Date;
	readonly algorithm?: OutputNeeds['algorithm'];
	readonly format?: string;
	/** The final path of a dump in the directory format. */
	readonly directory?: string;
	/** Estimated bytes. */
	readonly expectedSize?: number;
	/** Bytes of the database on the server, if all of it is dumped. */
	readonly databaseSize?: number;
};

/** Publishes what a job has written under the final names, with checksums, and uploads it. */
export class JobOutput {
	readonly #shared: BackupShared;
	readonly #control: JobControl;
	readonly #details: JobDetails;
	/** The contents of the database, once its dump is complete. */
	contents: Contents | undefined;

	constructor(shared: BackupShared, control: JobControl, details: JobDetails) {
		this.#shared = shared;
		this.#control = control;
		this.#details = details;
	}

	/** `write` adds its files to `written`; if it fails, all of them are discarded. */
	async run(write: (options: OutputOptions, written: Written[]) => Promise<void>): Promise<void> {
		const {run, encryption, shard} = this.#shared;
		const {meter, signal, id} = this.#control;
		const algorithm = this.#details.algorithm ?? run.configuration.settings.checksumAlgorithm;
		const uploads = this.#uploads();
		const needsSha256 = shard !== undefined || uploads?.open !== undefined;
		const settings = {
			...outputSettings(run, {algorithm, encryption, needsSha256}),
			...(uploads?.open && {stream: uploads.open}),
			...(uploads?.spool && {spool: uploads.spool}),
		};
		const all: Written[] = [];
		try {
			const onOpen: ArtifactOptions['onOpen'] = file => uploads?.follow(file, this.#details.expectedSize);
			await write({settings, signal, meter, onOpen}, all);
			await this.#verify(all);
			for (const written of [...all]) all.push(...(await writeChecksums(written, settings, signal)));
			if (uploads?.open) this.#control.freeSlot(); // what remains is to end the upload
			const files = await (uploads ? uploads.publish(all) : publishAll(all, id, run.emit));
			this.#control.freeSlot();
			const published = {...this.#described(), files};
			this.#shared.onFiles({...published, shipments: []});
			if (uploads) await this.#ship(uploads, published);
		} catch (error) {
			await discardAll(all);
			await uploads?.abandon();
			throw error;
		}
	}

	#described(): Omit<PublishedJob, 'files' | 'shipments'> {
		const {subject, time, format, databaseSize} = this.#details;
		return {
			job: this.#control.id,
			subject,
			time: time.getTime(),
			...(format !== undefined && {format}),
			...(databaseSize !== undefined && {databaseSize}),
			...(this.contents && {contents: this.contents}),
		};
	}

	#uploads(): Uploads | undefined {
		const {uploads, shard, run} = this.#shared;
		const {id, meter, signal} = this.#control;
		if (!shard) {
			const [place] = uploads;
			if (!place) return undefined;
			const target = {options: place, job: id, meter, signal};
			const {settings} = run.configuration;
			const {directory} = this.#details;
			const sending = sendingOf(settings, directory !== undefined);
			if (sending === 'after') return new JobUploads(uploads, id, meter, signal);
			const spool = Math.floor(settings.spoolLimit / settings.jobs);
			const isSpooled = sending === 'members' && directory !== undefined;
			return new StreamUploads(target, isSpooled ? new MemberUploads(target, directory, spool) : undefined);
		}
		const describe = (files: readonly PendingFile[]) =>
			describeJob(this.#shared, {...this.#described(), files, shipments: []});
		return new ShardUploads({shard, job: id, subject: this.#details.subject, describe}, meter, signal);
	}

	/** Uploads the files, and keeps what is still to be uploaded until that has succeeded. */
	async #ship(uploads: Uploads, published: Omit<PublishedJob, 'shipments'>): Promise<void> {
		const {unshipped, onFiles} = this.#shared;
		const {nextAttempt} = uploads;
		if (nextAttempt)
			unshipped.set(published.job, async ({meter, signal}) => this.#ship(nextAttempt(meter, signal), published));
		const {shipments, failure} = await uploads.ship(published.files);
		onFiles({...published, shipments});
		if (failure !== undefined) throw failure as Error;
		unshipped.delete(published.job);
	}

	async #verify(written: readonly Written[]): Promise<void> {
		const {readBack, run} = this.#shared;
		const {meter, signal, id} = this.#control;
		if (!readBack) return;
		this.#control.lendSlot();
		meter.start('verify');
		for (const file of written.flatMap(one => one.files)) {
			const how = await readBackFile(file, readBack, signal, meter);
			if (how !== undefined)
				run.emit({type: 'log', level: 'info', text: `${basename(file.finalPath)}: ${how}`, job: id});
		}
		meter.finish('verify');
	}
}
