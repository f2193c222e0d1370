/** Runs one measured upload in a separate process: `PORT USER IDENTITY FILE`. Prints JSON, see `measured.ts`. */
import {openSftp} from '../../source/storage/sftp/sftp.js';
import {openFileSource} from '../../source/storage/source.js';
import {reportWork} from './measured.js';

const [port = '', user, identity, file = ''] = process.argv.slice(2);
const {signal} = new AbortController();

await reportWork(async () => {
	const storage = await openSftp(
		{host: '127.0.0.1', port: Number(port), user, identity, configFile: 'none', ignoreHostKey: true},
		{env: {}, signal, log: () => undefined},
	);
	const source = await openFileSource(file);
	const {size} = await storage.put('dump', source, {signal});
	await source.close();
	await storage.close();
	return size;
});
