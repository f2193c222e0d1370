/**
 * Data directories of throwaway servers. initdb runs once for each kind in a run of the tests; each server gets a copy
 * with a system identifier of its own, because our program distinguishes servers by it.
 */
import {randomBytes} from 'node:crypto';
import {existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {open} from 'node:fs/promises';
import {join} from 'node:path';
import {runAsServerUser, serverDirectory} from './server-user.js';

export type DataDirectoryOptions = {
	readonly major: number;
	readonly binDirectory: string;
	/** With another one than `trust` the superuser's password is `secret`. */
	readonly auth: 'trust' | 'scram-sha-256';
};

const templatesVariable = 'PG_BACK_TEST_DATA_DIRECTORIES';

/** Makes the test files that start from now on share their templates, which are removed when this process exits. */
export function shareDataDirectories(): void {
	const directory = serverDirectory('templates');
	process.once('exit', () => rmSync(directory, {recursive: true, force: true}));
	process.env[templatesVariable] = directory;
}

/** Creates the data directory `data` as the server's user. */
export async function createDataDirectory(options: DataDirectoryOptions, data: string): Promise<void> {
	if (process.env[templatesVariable] === undefined) shareDataDirectories();
	const template = join(process.env[templatesVariable] ?? '', `${options.major}-${options.auth}`);
	if (!existsSync(template)) await createTemplate(options, template);
	await runAsServerUser('cp', ['-a', template, data]);
	await changeSystemIdentifier(data);
}

async function createTemplate({binDirectory, auth}: DataDirectoryOptions, template: string): Promise<void> {
	const own = `${template}.${process.pid}-${randomBytes(4).toString('hex')}`;
	const passwordFile = `${own}.password`;
	writeFileSync(passwordFile, 'secret\n');
	await runAsServerUser(join(binDirectory, 'initdb'), [
		...['-D', own, '-U', 'postgres', '-A', auth, '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
		`--pwfile=${passwordFile}`,
	]);
	try {
		renameSync(own, template);
	} catch (error) {
		// Another test file was faster.
		if (!existsSync(template)) throw error;
		rmSync(own, {recursive: true});
	}
}

/** The system identifier is in the control file, and in the first page of each WAL segment, where no checksum covers it. */
async function changeSystemIdentifier(data: string): Promise<void> {
	const identifier = randomBytes(8);
	identifier[7]! &= 0x7f; // the server shows it as a signed number
	const controlFile = join(data, 'global/pg_control');
	const control = readFileSync(controlFile);
	const checksumAt = checksumOffset(control);
	control.set(identifier, 0);
	control.writeUInt32LE(crc32c(control.subarray(0, checksumAt)), checksumAt);
	writeFileSync(controlFile, control);
	const wal = join(data, 'pg_wal');
	for (const name of readdirSync(wal).filter(one => /^[\dA-F]{24}$/.test(one))) {
		const segment = await open(join(wal, name), 'r+');
		await segment.write(identifier, 0, identifier.length, 24);
		await segment.close();
	}
}

/** Returns where the checksum of the control file is, which depends on the major version. */
function checksumOffset(control: Buffer): number {
	for (let at = 8; at + 4 <= Math.min(control.length, 1024); at += 4)
		if (control.readUInt32LE(at) === crc32c(control.subarray(0, at))) return at;
	throw new Error('the control file has no checksum that matches');
}

/** CRC-32C (Castagnoli); zlib has only CRC-32. */
function crc32c(bytes: Uint8Array): number {
	let crc = 0xff_ff_ff_ff;
	for (const byte of bytes) {
		crc ^= byte;
		for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82_f6_3b_78 : 0);
	}
	return ~crc >>> 0;
}
