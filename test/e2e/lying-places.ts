/** Places whose services can be made to lie, with what makes them. */
import {type AzureFront, startAzureFront} from '../helpers/azure-front.js';
import {startAzurite} from '../helpers/azurite.js';
import {type GcsServer, startGcsServer} from '../helpers/gcs-server.js';
import {scratchDirectory} from '../helpers/program.js';
import {type FaultyServer, startFaultyServer} from '../helpers/sshd-faults.js';
import type {Place} from './remote-places.js';

export async function gcsPlaceOf(): Promise<{readonly place: Place; readonly server: GcsServer}> {
	const server = await startGcsServer('suite');
	return {place: gcsPlace(server), server};
}

function gcsPlace(server: GcsServer): Place {
	return {
		store: 'gcs',
		port: Number(new URL(server.url).port),
		behind: port => void Object.assign(server, {url: `http://127.0.0.1:${port}`}),
		settings: ['gcs_bucket = suite'],
		env: {STORAGE_EMULATOR_HOST: server.url},
		location: 'gcs://suite/',
		keys: () => Promise.resolve([...server.objects.keys()].sort()),
		read: key => Promise.resolve(server.objects.get(key)?.bytes ?? Buffer.alloc(0)),
		replace(key, bytes) {
			const held = server.objects.get(key);
			if (held) (server.objects as Map<string, typeof held>).set(key, {...held, bytes});
			return Promise.resolve();
		},
		stop: () => server.stop(),
	};
}

export async function azureFrontPlace(): Promise<{readonly place: Place; readonly front: AzureFront}> {
	const azurite = await startAzurite();
	const container = azurite.service.getContainerClient('backups');
	await container.create();
	const front = await startAzureFront(azurite);
	const place: Place = {
		store: 'azure',
		settings: ['azure_container = backups', `azure_endpoint = ${front.url}?${front.sas('backups')}`],
		env: {AZURE_STORAGE_ACCOUNT: azurite.account},
		location: 'azure://devstoreaccount1/backups/',
		async keys() {
			const keys: string[] = [];
			for await (const blob of container.listBlobsFlat()) keys.push(blob.name);
			return keys.sort();
		},
		read: key => container.getBlobClient(key).downloadToBuffer(),
		async replace(key, bytes) {
			await container.getBlockBlobClient(key).upload(bytes, bytes.length);
		},
		async stop() {
			front.close();
			await azurite.stop();
		},
	};
	return {place, front};
}

export async function sftpPlaceOf(): Promise<{readonly place: Place; readonly server: FaultyServer}> {
	const server = await startFaultyServer({password: 'secret', longestRead: 256 * 1024});
	const files = server.files as Map<string, Buffer>;
	const inside = (name: string) => (name.startsWith('backups/') ? [name.slice('backups/'.length)] : []);
	const place: Place = {
		store: 'sftp',
		port: server.port,
		settings: [
			'sftp_host = 127.0.0.1',
			`sftp_port = ${server.port}`,
			'sftp_user = me',
			'sftp_ignore_hostkey = yes',
			'sftp_directory = backups',
		],
		env: {PGBK_SSH_PASS: 'secret', HOME: scratchDirectory('home')},
		location: `sftp://me@127.0.0.1:${server.port}/backups/`,
		keys: () => Promise.resolve([...files.keys()].flatMap(inside).sort()),
		read: key => Promise.resolve(files.get(`backups/${key}`) ?? Buffer.alloc(0)),
		replace: (key, bytes) => Promise.resolve(void files.set(`backups/${key}`, bytes)),
		stop: () => server.stop(),
	};
	return {place, server};
}
