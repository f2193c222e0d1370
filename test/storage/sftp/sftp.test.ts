import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {after, before} from 'node:test';
import {openSftp} from '../../../source/storage/sftp/sftp.js';
import {makeKey, type Sshd, sshdMissing, startSshd} from '../../helpers/sshd.js';
import {storageSuite} from '../../helpers/storage-suite.js';
import {testContext} from '../../helpers/storage-tools.js';
import {homeWith} from './home.js';

if (sshdMissing !== undefined) console.log(`# skipped: SFTP on a real server: ${sshdMissing}`);
else {
	for (const directory of ['', 'backups/of this host']) {
		let sshd: Sshd;
		before(async () => {
			sshd = await startSshd();
		});
		after(() => sshd.stop());
		storageSuite(
			`SFTP on OpenSSH's sshd${directory === '' ? '' : ', in a directory'}`,
			async () => {
				const home = await homeWith(sshd.scratch, sshd.knownHosts);
				await makeKey(join(sshd.scratch, 'stranger'), 'ed25519');
				const settings = {host: sshd.host, port: sshd.port, user: sshd.user, directory};
				const context = {...testContext(), home};
				return {
					storage: await openSftp({...settings, identity: sshd.clientKey}, context),
					forbidden: await openSftp({...settings, identity: join(sshd.scratch, 'stranger')}, context),
					everything: () => filesBelow(join(sshd.home, directory)),
					close: () => Promise.resolve(),
				};
			},
			{metadata: false, resumes: true},
		);
	}
}

async function filesBelow(directory: string): Promise<string[]> {
	const entries = await readdir(directory, {recursive: true, withFileTypes: true});
	return entries
		.filter(entry => entry.isFile())
		.map(entry => join(entry.parentPath, entry.name).slice(directory.length).replace(/^\/+/, ''));
}
