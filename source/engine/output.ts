/** Where the files of a run go and how they are written. */
import type {ChecksumAlgorithm} from '../core/formats.js';
import {setTimeout as delay} from 'node:timers/promises';
import type {CompressedSuffix} from '../lib/compression.js';
import {lstatIfThere} from '../lib/files.js';
import {fileName, type FileSuffix, type Subject} from '../retention/names.js';
import type {EncryptionKeys} from '../stages/age/keys.js';
import type {OutputSettings} from '../stages/artifact.js';
import type {RunContext} from './context.js';

/** `algorithm` is that of the database, or the global one. */
export function outputSettings(
	run: RunContext,
	algorithm: ChecksumAlgorithm | 'none',
	encryption: EncryptionKeys | undefined,
): OutputSettings {
	const {backupFileMode, encryptKeepSource, verify} = run.configuration.settings;
	return {
		run: run.tag,
		mode: backupFileMode,
		...(algorithm !== 'none' && {algorithm}),
		extraAlgorithms: verify === 'none' ? [] : ['sha256'],
		...(encryption && {encryption}),
		keepSource: encryptKeepSource,
	};
}

/** Names the files of a run: each output takes the time at which it starts, or all take one. */
export class FileNamer {
	readonly #run: RunContext;
	#uniform: Date | undefined;

	constructor(run: RunContext) {
		this.#run = run;
	}

	/** Called when the control connection is up: from then on one time stands in all names, if so configured. */
	fixTime(): void {
		if (this.#run.configuration.settings.uniformTimestamp) this.#uniform = this.#run.now();
	}

	/**
	 * The time to stand in the names of `subject`. Two runs that begin in the same second must not want the same name: the later
	 * waits for the next second (with a uniform time it fails when it publishes).
	 */
	async time(subject: Subject, suffix: FileSuffix, compressed?: CompressedSuffix): Promise<Date> {
		if (this.#uniform) return this.#uniform;
		for (;;) {
			const time = this.#run.now();
			const path = this.path(subject, time, suffix, compressed);
			const taken = (await lstatIfThere(path)) ?? (await lstatIfThere(`${path}.age`));
			if (!taken) return time;
			await delay(1000 - (time.getTime() % 1000) + 1, undefined, {signal: this.#run.signal});
		}
	}

	path(subject: Subject, time: Date | undefined, suffix: FileSuffix, compressed?: CompressedSuffix): string {
		const {backupDirectory, timestampFormat} = this.#run.configuration.settings;
		return fileName({directory: backupDirectory, subject, time, timestampFormat, suffix, compressed});
	}
}
