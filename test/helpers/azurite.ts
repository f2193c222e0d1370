/** The official emulator of Azure Blob Storage, in memory, on a free loopback port. */
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {BlobServiceClient, StorageSharedKeyCredential} from '@azure/storage-blob';
import {freePort} from './sshd.js';

const script = ['.tools/servers', '.tools', '.']
	.map(folder => join(import.meta.dirname, '../..', folder, 'node_modules/azurite/dist/src/blob/main.js'))
	.find(path => existsSync(path));

/** Why there is no emulator here; undefined when there is one. */
export const azuriteMissing: string | undefined =
	script === undefined ? 'no azurite (npm package, in .tools/servers)' : undefined;

export type Azurite = {
	readonly port: number;
	readonly account: string;
	/** The emulator's public key. */
	readonly key: string;
	/** URL of the account, path style. */
	readonly url: string;
	readonly service: BlobServiceClient;
	readonly stop: () => Promise<void>;
};

const account = 'devstoreaccount1';
const key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

export async function startAzurite(): Promise<Azurite> {
	if (script === undefined) throw new Error(azuriteMissing);
	const port = await freePort();
	const args = [
		'--blobHost',
		'127.0.0.1',
		'--blobPort',
		String(port),
		'--inMemoryPersistence',
		'--loose',
		'--skipApiVersionCheck',
		'--silent',
		'--disableTelemetry',
	];
	const child = spawn(process.execPath, [script, ...args], {stdio: ['ignore', 'pipe', 'inherit']});
	await new Promise<void>((resolve, reject) => {
		child.once('error', reject);
		child.once('exit', code => reject(new Error(`azurite ended with ${code}`)));
		child.stdout.on('data', (text: Buffer) => {
			if (text.includes('successfully list')) resolve();
		});
	});
	const url = `http://127.0.0.1:${port}/${account}`;
	return {
		port,
		account,
		key,
		url,
		service: new BlobServiceClient(url, new StorageSharedKeyCredential(account, key)),
		stop: async () => {
			const ended = new Promise(resolve => child.once('exit', resolve));
			child.kill('SIGKILL');
			await ended;
		},
	};
}
