/** Our evaluation of an ssh configuration beside that of `ssh -G`, on the same files. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {chmod, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir, userInfo} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {promisify} from 'node:util';
import {resolveSettings} from '../../../source/storage/sftp/settings.js';
import {evaluateSshConfig} from '../../../source/storage/sftp/ssh-config.js';
import {testContext} from '../../helpers/storage-tools.js';
import {findTool} from '../../helpers/tools.js';

const ssh = findTool('ssh');

const cases: Readonly<Record<string, string>> = {
	'first value wins': 'Host vault\n  HostName one\n  HostName two\nHost *\n  HostName three\n  Port 2222\n',
	'values before any Host': 'User early\nHost vault\n  User late\n',
	'equal signs and quotes': 'Host=vault\n  HostName = "quoted"\n\tUser\t=\tme\n',
	'negated pattern': 'Host *,!x !vault\n  Port 1\nHost v?ult !other\n  Port 2\n',
	comments: '# Host x\nHost vault # not a pattern\n  User me # really\n  Port 22\n',
	'Match host after HostName': 'Host vault\n  HostName real.example\nMatch host real.example\n  Port 77\n',
	'Match host in lower-case keyword': 'host vault\n  hostname real.example\nmatch host real.*,none\n  port 78\n',
	'Match originalhost and user':
		'Match originalhost vault user me\n  Port 1\nMatch originalhost vault user !me\n  Port 2\n',
	'Match negated': 'Match !host vault\n  Port 1\nMatch host vault !user root\n  Port 5\nMatch all\n  Port 3\n',
	'Match final': 'Host vault\n  HostName real.example\nMatch final host real.example\n  Port 9\n',
	'Match user after User': 'Host vault\n  User ann\nMatch user ann\n  Port 4\n',
	'Include in a block does not leak': 'Host other\n  Include inner\nHost vault\n  Port 6\n',
	'Include keeps the block': 'Host vault\n  Include inner\n  User after\n',
	'Include by glob, sorted': 'Include parts/*\n',
	'ProxyJump first': 'Host vault\n  ProxyJump a,b\n  ProxyCommand nc x\n',
	'ProxyJump none': 'Host vault\n  ProxyJump none\nHost *\n  ProxyJump a\n',
	'identity files add up': 'Host vault\n  IdentityFile ~/a\nHost *\n  IdentityFile ~/b\n  IdentityFile ~/a\n',
	'known hosts': 'Host vault\n  UserKnownHostsFile /a "/b c"\n  HostKeyAlias other\n',
};

describe('ssh configuration', () => {
	let home: string;
	before(async () => {
		home = await mkdtemp(join(tmpdir(), 'ssh-config-'));
		const at = join(home, '.ssh');
		await mkdir(join(at, 'parts'), {recursive: true});
		await writeFile(join(at, 'inner'), 'Host x*\n  HostName leaked\nHost *\n  HostName from-include\n');
		await writeFile(join(at, 'parts/20'), 'Port 20\n');
		await writeFile(join(at, 'parts/10'), 'Host vault\n  Port 10\n');
		await writeFile(join(at, 'parts/.00'), 'Port 1\n');
	});
	after(() => rm(home, {recursive: true}));
	const evaluate = async (text: string, host = 'vault') => {
		const path = join(home, '.ssh', 'config');
		await writeFile(path, text, {mode: 0o600});
		const expand = (name: string) => Promise.resolve(name.replace(/^~/, home));
		return evaluateSshConfig([{path, base: join(home, '.ssh')}], {host, localUser: userInfo().username, expand});
	};

	for (const [name, text] of Object.entries(cases)) {
		it(name, {skip: ssh === undefined && 'no ssh'}, async () => {
			const ours = await evaluate(text);
			// ssh looks for relative names in the home directory of the user, whatever HOME says.
			const theirText = text.replaceAll('Include ', `Include ${home}/.ssh/`);
			await writeFile(join(home, '.ssh', 'theirs'), theirText, {mode: 0o600});
			const {stdout} = await promisify(execFile)(ssh ?? '', ['-G', '-F', join(home, '.ssh', 'theirs'), 'vault']);
			const theirs = new Map<string, string[]>();
			for (const line of stdout.split('\n')) {
				const [, key = '', value = ''] = /^(\S+) (.*)$/.exec(line) ?? [];
				theirs.set(key, [...(theirs.get(key) ?? []), value]);
			}
			const one = (key: string) => theirs.get(key)?.[0];
			assert.equal(ours.hostName ?? 'vault', one('hostname'), stdout);
			assert.equal(ours.port ?? '22', one('port'));
			assert.equal(ours.user ?? userInfo().username, one('user'));
			assert.equal(ours.hostKeyAlias, one('hostkeyalias'));
			assert.equal(ours.proxyJump === 'none' ? undefined : ours.proxyJump, one('proxyjump'));
			if (ours.identities) assert.deepEqual(ours.identities, theirs.get('identityfile'));
			if (ours.knownHosts) assert.equal(ours.knownHosts.join(' '), one('userknownhostsfile'));
		});
	}

	it('runs no command, and says what it leaves out', async () => {
		const marker = join(home, 'ran');
		const {port, unevaluated} = await evaluate(`Match exec "touch ${marker}"\n  Port 1\nHost *\n  Port 2\n`);
		assert.equal(port, '2');
		assert.match(unevaluated.join(), /config:1: Match exec is not supported/);
		await assert.rejects(promisify(execFile)('test', ['-e', marker]));
	});

	it('refuses what ssh refuses', async () => {
		await assert.rejects(evaluate('Host "vault\n'), /config:1: invalid quotes/);
		await assert.rejects(evaluate('Match nonsense x\n'), /config:1: unknown Match criterion nonsense/);
		await assert.rejects(evaluate('Include config\n'), /too many levels of Include/);
		await writeFile(join(home, '.ssh', 'inner2'), 'Port 1\n');
		await chmod(join(home, '.ssh', 'inner2'), 0o666);
		await assert.rejects(evaluate('Include inner2\n'), /can be written by others/);
	});

	it('ProxyJump is resolved hop by hop, ProxyCommand is refused', async () => {
		const path = join(home, '.ssh', 'config');
		const resolve = async (text: string) => {
			await writeFile(path, text, {mode: 0o600});
			return resolveSettings({host: 'vault', configFile: path, password: 'secret'}, {...testContext(), home});
		};
		const {jumps, password} = await resolve(
			'Host vault\n ProxyJump ann@a:2200,[::1]\nHost a\n HostName real-a\n ProxyJump outer\n User nobody\nHost outer\n Port 7\n',
		);
		assert.deepEqual(
			jumps.map(({host, port, user}) => [host, port, user]),
			[
				['outer', 7, userInfo().username],
				['real-a', 2200, 'ann'],
				['::1', 22, userInfo().username],
			],
		);
		assert.deepEqual(
			[password, ...jumps.map(one => one.password)],
			['secret', '', '', ''],
			'only the target gets the password',
		);
		await assert.rejects(resolve('ProxyCommand nc %h %p\n'), /reaches vault by a ProxyCommand, which is not supported/);
		await assert.rejects(resolve('Host vault\n ProxyJump a\nHost a\n ProxyCommand x\n'), /reaches a by a ProxyCommand/);
		await assert.rejects(resolve('Host *\n ProxyJump a\n'), /more than 16 hosts/);
		await assert.rejects(resolve('Host vault\n ProxyJump a:b:c\n'), /invalid ProxyJump/);
		assert.deepEqual((await resolve('Host vault\n ProxyCommand none\n')).jumps, []);
	});
});
