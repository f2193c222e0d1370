/** Determines the paths of a run's files and how they are written. */
import {setTimeout as delay} from 'node:timers/promises';
import type {ChecksumAlgorithm} from '../core/formats.js';
import type {CompressedSuffix} from '../lib/compression.js';
import {lstatIfThere} from '../lib/files.js';
import {formatTimestamp} from '../lib/time.js';
import {fileName, type FileSuffix, type Subject, subjectText} from '../retention/names.js';
import type {RunContext} from '../runs/context.js';
import type {EncryptionKeys} from '../stages/age/load-keys.js';
import type {OutputSettings} from '../stages/artifact.js';

export type OutputNeeds = {
	/** The algorithm of the database, or the global one. */
	readonly algorithm: ChecksumAlgorithm | 'none';
	readonly encryption: EncryptionKeys | undefined;
	/** The manifest needs the checksum even if no checksum file is requested. */
	readonly needsSha256: boolean;
};

export function outputSettings(
	run: Pick<RunContext, 'configuration' | 'tag'>,
	{algorithm, encryption, needsSha256}: OutputNeeds,
): OutputSettings {
	const {backupFileMode, encryptKeepSource, verify} = run.configuration.settings;
	return {
		run: run.tag,
		mode: backupFileMode,
		...(algorithm !== 'none' && {algorithm}),
		extraAlgorithms: verify === 'none' && !needsSha256 ? [] : ['sha256'],
		...(encryption && {encryption}),
		keepSource: encryptKeepSource,
	};
}

/** Names the files of a run: each output has the time at which it starts, or all have the same time. */
export class FileNamer {
	readonly #run: Pick<RunContext, 'configuration' | 'now' | 'signal'>;
	readonly #named = new Set<string>();
	#uniform: Date | undefined;
	/** The time of the pg_hba.conf file, which the pg_ident.conf file shares. */
	#hba: Date | undefined;

	/** `time` is used in all names, instead of the time at which each output starts. */
	constructor(run: Pick<RunContext, 'configuration' | 'now' | 'signal'>, time?: Date) {
		this.#run = run;
		this.#uniform = time;
	}

	/** Called when the control connection is open: from then on all names have the same time, if configured. */
	fixTime(): void {
		if (this.#run.configuration.settings.uniformTimestamp) this.#uniform ??= this.#run.now();
	}

	/**
	 * Returns the time for the names of `subject`. Two runs that start in the same second must not choose the same name:
	 * the later waits for the next second (with a uniform time it fails when it publishes).
	 */
	async time(subject: Subject, suffix: FileSuffix, compressed?: CompressedSuffix): Promise<Date> {
		const time = this.#uniform ?? (await this.#freeTime(subject, suffix, compressed));
		const {timestampFormat} = this.#run.configuration.settings;
		this.#named.add(`${subjectText(subject)}_${formatTimestamp(time, timestampFormat)}`);
		return time;
	}

	/** Returns the beginnings of the names so far: subject and time. */
	get named(): ReadonlySet<string> {
		return this.#named;
	}

	async #freeTime(subject: Subject, suffix: FileSuffix, compressed?: CompressedSuffix): Promise<Date> {
		for (;;) {
			const time = (subject.kind === 'ident' && this.#hba) || this.#run.now();
			if (subject.kind === 'ident') this.#hba = undefined;
			const path = this.path(subject, time, suffix, compressed);
			const taken = (await lstatIfThere(path)) ?? (await lstatIfThere(`${path}.age`));
			if (!taken && subject.kind === 'hba') this.#hba = time;
			if (!taken) return time;
			await delay(1000 - (time.getTime() % 1000) + 1, undefined, {signal: this.#run.signal});
		}
	}

	path(subject: Subject, time: Date | undefined, suffix: FileSuffix, compressed?: CompressedSuffix): string {
		const {backupDirectory, timestampFormat} = this.#run.configuration.settings;
		return fileName({directory: backupDirectory, subject, time, timestampFormat, suffix, compressed});
	}
}
