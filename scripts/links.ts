/** Checks the links of all Markdown files: every relative target exists, and so does the heading in it. */
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {dirname, join, relative, resolve} from 'node:path';

const root = join(import.meta.dirname, '..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
	cwd: root,
	encoding: 'utf8',
})
	.split('\n')
	.filter(file => file !== '' && existsSync(join(root, file)));

const problems = files.flatMap(file => {
	const text = withoutCode(readFileSync(join(root, file), 'utf8'));
	return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
		const problem = problemOf(file, target);
		return problem === undefined ? [] : [`${file}: ${target}: ${problem}`];
	});
});

for (const problem of problems) console.error(problem);
console.log(`${files.length} documents, ${problems.length} broken links`);
if (problems.length > 0) process.exitCode = 1;

function problemOf(file: string, target: string): string | undefined {
	if (/^[a-z]+:/.test(target)) return undefined;
	const [path = '', anchor] = target.split('#');
	const absolute = path === '' ? join(root, file) : resolve(root, dirname(file), path);
	if (relative(root, absolute).startsWith('..')) return 'outside of the project';
	if (!existsSync(absolute)) return 'no such file';
	if (anchor === undefined || !absolute.endsWith('.md')) return undefined;
	return anchorsOf(readFileSync(absolute, 'utf8')).has(anchor) ? undefined : 'no such heading';
}

/** Returns the anchors that forges create for headings. */
function anchorsOf(text: string): ReadonlySet<string> {
	const headings = [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
	return new Set(
		headings.map(heading =>
			heading
				.toLowerCase()
				.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
				.trim()
				.replaceAll(/\s/g, '-'),
		),
	);
}

function withoutCode(text: string): string {
	return text
		.replaceAll(/^```[^]*?^```/gm, '')
		.replaceAll(/^(?: {4}|\t).*$/gm, '')
		.replaceAll(/`[^`\n]*`/g, '');
}
