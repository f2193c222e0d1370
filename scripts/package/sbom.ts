/** The list of components in CycloneDX 1.6: bundled packages, and the Node.js in the executable. */
import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {components, runtimeVersion} from './licences.js';
import {description, epoch, output, put, say, version} from './project.js';

/** Writes `pg_back-VERSION.cdx.json` and returns its path. */
export function writeSbom(): string {
	const library = (name: string, ownVersion: string, licence: string) => ({
		type: name === 'node' ? 'platform' : 'library',
		'bom-ref': `pkg:npm/${encodeURIComponent(name)}@${ownVersion}`,
		name,
		version: ownVersion,
		licenses: [{expression: licence}],
		purl: `pkg:npm/${encodeURIComponent(name)}@${ownVersion}`,
	});
	const list = [
		...components().map(({name, version: ownVersion, licence}) => library(name, ownVersion, licence)),
		library('node', runtimeVersion(), 'MIT'),
	];
	const digest = createHash('sha256').update(JSON.stringify(list)).update(version).digest('hex');
	const serial = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
	const document = {
		bomFormat: 'CycloneDX',
		specVersion: '1.6',
		serialNumber: `urn:uuid:${serial}`,
		version: 1,
		metadata: {
			timestamp: new Date(epoch * 1000).toISOString(),
			component: {type: 'application', 'bom-ref': 'pg_back', name: 'pg_back', version, description},
		},
		components: list,
		dependencies: [{ref: 'pg_back', dependsOn: list.map(one => one['bom-ref'])}],
	};
	const path = join(output, `pg_back-${version}.cdx.json`);
	put(path, `${JSON.stringify(document, undefined, '\t')}\n`);
	say(`wrote ${path}`);
	return path;
}
