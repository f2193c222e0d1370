/**
 * Builds the packages into packages/: `npm run package`, or parts of it by `npm run package -- bin deb rpm npm oci`.
 * All parts together also get SHA256SUMS and the list of components. Two builds of one commit are identical.
 */
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {buildDeb} from './deb.js';
import {buildExecutable} from './executable.js';
import {licences} from './licences.js';
import {buildNpm} from './npm.js';
import {buildOci} from './oci.js';
import {type Architecture, architectures, executableName, output, put, say} from './project.js';
import {buildRpm} from './rpm.js';
import {writeSbom} from './sbom.js';

const parts = ['bin', 'deb', 'rpm', 'npm', 'oci'] as const;
type Part = (typeof parts)[number];

const asked = process.argv.slice(2);
const unknown = asked.filter(one => !parts.includes(one as Part));
if (unknown.length > 0) {
	say(`unknown part ${unknown.join(', ')}: use ${parts.join(', ')}`);
	process.exitCode = 2;
} else {
	await build(new Set(asked.length === 0 ? parts : (asked as Part[])));
}

async function build(wanted: ReadonlySet<Part>): Promise<void> {
	mkdirSync(output, {recursive: true});
	const made = new Map<Architecture, string>();
	const executable = (architecture: Architecture) => {
		const path = made.get(architecture) ?? buildExecutable(architecture);
		made.set(architecture, path);
		return path;
	};
	for (const architecture of architectures) {
		if (wanted.has('bin')) executable(architecture);
		if (wanted.has('deb')) buildDeb(architecture, executable(architecture));
		if (wanted.has('rpm')) buildRpm(architecture, executable(architecture));
	}
	if (wanted.has('npm')) buildNpm();
	if (wanted.has('oci')) await buildOci(executable('x64'));
	put(join(output, 'LICENSES.txt'), licences());
	writeSbom();
	writeSums();
}

/** Includes all existing packages, whenever they were built. */
function writeSums(): void {
	const names = readdirSync(output)
		.filter(name => !name.startsWith('.') && name !== 'SHA256SUMS')
		.sort();
	const lines = names.map(name => {
		const digest = createHash('sha256')
			.update(readFileSync(join(output, name)))
			.digest('hex');
		return `${digest}  ${name}\n`;
	});
	put(join(output, 'SHA256SUMS'), lines.join(''));
	const missing = architectures.filter(architecture => !existsSync(join(output, executableName(architecture))));
	say(`wrote ${join(output, 'SHA256SUMS')}${missing.length > 0 ? ` (no executable for ${missing.join(', ')})` : ''}`);
}
