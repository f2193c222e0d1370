/** Our verdict on a host key beside that of `ssh -o StrictHostKeyChecking=yes`, on the same files and the same real server. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {createHmac, randomBytes} from 'node:crypto';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {Client} from 'ssh2';
import {prepareHostKeyCheck} from '../../../source/storage/sftp/host-keys.js';
import {makeKey, type Sshd, sshdMissing, startSshd} from '../../helpers/sshd.js';
import {never} from '../../helpers/storage-tools.js';

type Names = {
	readonly E: string;
	readonly R: string;
	readonly C: string;
	readonly XE: string;
	readonly XR: string;
	readonly CA: string;
};
type Case = {
	readonly name: string;
	readonly host?: string;
	readonly port?: number;
	readonly alias?: string;
	readonly user: (keys: Names) => string;
	readonly global?: (keys: Names) => string;
};

function hashed(name: string): string {
	const salt = randomBytes(20);
	return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

/** The server offers E (ed25519) and R (rsa); C is its ecdsa key, not offered; XE and XR are other keys. */
const cases: readonly Case[] = [
	{name: 'plain', user: k => `db.example ${k.E}\n`},
	{name: 'plain, without a newline at the end', user: k => `db.example ${k.E}`},
	{name: 'nothing', user: () => ''},
	{name: 'only comments', user: k => `# db.example ${k.E}\n\n`},
	{name: 'another host', user: k => `other.example ${k.E}\n`},
	{name: 'another key of the same type', user: k => `db.example ${k.XE}\n`},
	{name: 'only the rsa key is known', user: k => `db.example ${k.R}\n`},
	{name: 'only a key that is not offered is known', user: k => `db.example ${k.C}\n`},
	{name: 'wrong ed25519, right rsa', user: k => `db.example ${k.XE}\ndb.example ${k.R}\n`},
	{name: 'right ed25519, wrong rsa', user: k => `db.example ${k.E}\ndb.example ${k.XR}\n`},
	{name: 'two ed25519 keys, the second right', user: k => `db.example ${k.XE}\ndb.example ${k.E}\n`},
	{name: 'a list of names', user: k => `a,db.example,b ${k.E}\n`},
	{name: 'a comment behind the key', user: k => `db.example ${k.E} root@db # old\n`},
	{name: 'blanks and tabs', user: k => ` \t db.example\t ${k.E.replace(' ', '\t ')}\n`},
	{name: 'carriage returns', user: k => `db.example ${k.E}\r\n`},
	{name: 'carriage returns and a comment', user: k => `db.example ${k.E} me\r\n`},
	{name: 'upper case in the file', user: k => `DB.Example ${k.E}\n`},
	{name: 'upper case asked for', host: 'DB.EXAMPLE', user: k => `db.example ${k.E}\n`},
	{name: 'hashed', user: k => `${hashed('db.example')} ${k.E}\n`},
	{name: 'hashed, asked for in upper case', host: 'DB.Example', user: k => `${hashed('db.example')} ${k.E}\n`},
	{name: 'hashed, another host', user: k => `${hashed('db2.example')} ${k.E}\n`},
	{name: 'hashed with a short salt', user: k => `${hashed('db.example').replace(/^\|1\|..../, '|1|')} ${k.E}\n`},
	{name: 'hashed by another method', user: k => `${hashed('db.example').replace('|1|', '|2|')} ${k.E}\n`},
	{name: 'hashed in a list', user: k => `a,${hashed('db.example')} ${k.E}\n`},
	{name: 'port', port: 2222, user: k => `[db.example]:2222 ${k.E}\n`},
	{name: 'another port', port: 2223, user: k => `[db.example]:2222 ${k.E}\n`},
	{name: 'port asked for, known without', port: 2222, user: k => `db.example ${k.E}\n`},
	{name: 'port asked for, another key known without', port: 2222, user: k => `db.example ${k.XE}\n`},
	{name: 'port known wrongly, right without', port: 2222, user: k => `[db.example]:2222 ${k.XE}\ndb.example ${k.E}\n`},
	{name: 'port asked for, rsa known without', port: 2222, user: k => `db.example ${k.R}\n`},
	{name: 'port, hashed', port: 2222, user: k => `${hashed('[db.example]:2222')} ${k.E}\n`},
	{name: 'port 22 in brackets', user: k => `[db.example]:22 ${k.E}\n`},
	{name: 'port known with brackets, asked without', user: k => `[db.example]:2222 ${k.E}\n`},
	{name: 'star', user: k => `* ${k.E}\n`},
	{name: 'star in the middle', user: k => `d*e ${k.E}\n`},
	{name: 'domain', user: k => `*.example ${k.E}\n`},
	{name: 'star for any port', port: 2222, user: k => `[*.example]:* ${k.E}\n`},
	{name: 'question marks', user: k => `d?.exampl? ${k.E}\n`},
	{name: 'too many question marks', user: k => `d??.example ${k.E}\n`},
	{name: 'negated', user: k => `*.example,!db.example ${k.E}\n`},
	{name: 'negated first', user: k => `!db.example,*.example ${k.E}\n`},
	{name: 'another one negated', user: k => `*.example,!other.example ${k.E}\n`},
	{name: 'only a negation', user: k => `!other.example ${k.E}\n`},
	{name: 'negated here, known elsewhere', user: k => `*,!db.example ${k.XE}\ndb.example ${k.E}\n`},
	{name: 'revoked', user: k => `@revoked * ${k.E}\ndb.example ${k.E}\n`},
	{name: 'revoked after it is known', user: k => `db.example ${k.E}\n@revoked db.example ${k.E}\n`},
	{name: 'another key is revoked', user: k => `@revoked * ${k.XE}\ndb.example ${k.E}\n`},
	{name: 'revoked for another host', user: k => `@revoked other.example ${k.E}\ndb.example ${k.E}\n`},
	{name: 'ed25519 revoked, rsa known', user: k => `@revoked * ${k.E}\ndb.example ${k.R}\n`},
	{name: 'revoked without the port', port: 2222, user: k => `@revoked db.example ${k.E}\n[db.example]:2222 ${k.E}\n`},
	{
		name: 'revoked without the port, known without',
		port: 2222,
		user: k => `@revoked db.example ${k.E}\ndb.example ${k.E}\n`,
	},
	{name: 'revoked in the global file', user: k => `db.example ${k.E}\n`, global: k => `@revoked db.example ${k.E}\n`},
	{name: 'authority', user: k => `@cert-authority * ${k.CA}\n`},
	{name: 'the host key itself as authority', user: k => `@cert-authority * ${k.E}\n`},
	{name: 'authority and known', user: k => `@cert-authority * ${k.CA}\ndb.example ${k.E}\n`},
	{name: 'unknown marker', user: k => `@trusted db.example ${k.E}\n`},
	{name: 'two markers', user: k => `@revoked @revoked db.example ${k.E}\ndb.example ${k.E}\n`},
	{name: 'marker without a blank', user: k => `@revoked\ndb.example ${k.E}\n`},
	{name: 'key cut short', user: k => `db.example ${k.E.slice(0, -9)}\n`},
	{name: 'key cut short, good line follows', user: k => `db.example ${k.E.slice(0, -9)}\ndb.example ${k.E}\n`},
	{name: 'type contradicts the key', user: k => `db.example ssh-rsa ${k.E.split(' ')[1]}\n`},
	{name: 'rsa under a name of its signatures', user: k => `db.example rsa-sha2-512 ${k.R.split(' ')[1]}\n`},
	{name: 'no type', user: k => `db.example ${k.E.split(' ')[1]}\n`},
	{name: 'unknown type', user: k => `db.example ssh-ed448 ${k.E.split(' ')[1]}\n`},
	{name: 'not base64', user: () => 'db.example ssh-ed25519 ****\n'},
	{name: 'binary rubbish first', user: k => `\u0001\u0002\u00ff\ndb.example ${k.E}\n`},
	{name: 'byte order mark', user: k => `\uFEFFdb.example ${k.E}\n`},
	{name: 'only in the global file', user: () => '', global: k => `db.example ${k.E}\n`},
	{
		name: 'wrong in one file, right in the other',
		user: k => `db.example ${k.XE}\n`,
		global: k => `db.example ${k.E}\n`,
	},
	{name: 'IPv6 literal', host: '::1', user: k => `::1 ${k.E}\n`},
	{name: 'IPv6 literal with a port', host: '::1', port: 2222, user: k => `[::1]:2222 ${k.E}\n`},
	{name: 'alias', alias: 'the-alias', port: 2222, user: k => `the-alias ${k.E}\n`},
	{name: 'alias, known by its host name only', alias: 'the-alias', user: k => `db.example ${k.E}\n`},
	{name: 'alias with the port of the host', alias: 'the-alias', port: 2222, user: k => `[the-alias]:2222 ${k.E}\n`},
];

describe('host keys: our verdict is that of ssh', {skip: sshdMissing}, () => {
	let sshd: Sshd;
	let keys: Names;

	before(async () => {
		sshd = await startSshd({offer: ['ed25519', 'rsa']});
		const other = async (name: string, type: 'ed25519' | 'rsa') => makeKey(join(sshd.scratch, name), type);
		const [XE, XR, CA] = await Promise.all([other('xe', 'ed25519'), other('xr', 'rsa'), other('ca', 'ed25519')]);
		keys = {E: sshd.hostKeys.ed25519, R: sshd.hostKeys.rsa, C: sshd.hostKeys.ecdsa, XE, XR, CA};
	});
	after(() => sshd.stop());

	for (const [index, one] of cases.entries()) {
		it(one.name, async () => {
			const files = [join(sshd.scratch, `user-${index}`), join(sshd.scratch, `global-${index}`)] as const;
			await writeFile(files[0], one.user(keys));
			await writeFile(files[1], one.global?.(keys) ?? '');
			const [theirs, ours] = await Promise.all([sshVerdict(sshd, one, files), ourVerdict(sshd, one, files)]);
			assert.equal(ours.accepted, theirs.accepted, `ssh: ${theirs.why}\nours: ${ours.why}`);
		});
	}
});

type Outcome = {readonly accepted: boolean; readonly why: string};

function sshVerdict(
	sshd: Sshd,
	{host = 'db.example', port = 22, alias}: Case,
	[user, global]: readonly [string, string],
): Promise<Outcome> {
	const relay = `ProxyCommand=/bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/${sshd.port}; cat <&3 2>/dev/null & cat >&3; kill $!' 2>/dev/null`;
	const options = [
		'StrictHostKeyChecking=yes',
		'BatchMode=yes',
		'PreferredAuthentications=none',
		'CheckHostIP=no',
		relay,
	];
	options.push(`UserKnownHostsFile=${user}`, `GlobalKnownHostsFile=${global}`, 'UpdateHostKeys=no');
	if (alias !== undefined) options.push(`HostKeyAlias=${alias}`);
	const args = [
		'-F',
		'none',
		...options.flatMap(option => ['-o', option]),
		'-p',
		String(port),
		'-l',
		sshd.user,
		host,
		'true',
	];
	return new Promise((resolve, reject) => {
		execFile('ssh', args, {timeout: 20_000}, (_error, _stdout, stderr) => {
			if (/Permission denied \(/.test(stderr)) resolve({accepted: true, why: stderr});
			else if (/Host key verification failed|no matching host key type/.test(stderr))
				resolve({accepted: false, why: stderr});
			else reject(new Error(`ssh gave no verdict: ${stderr}`));
		});
	});
}

async function ourVerdict(
	sshd: Sshd,
	{host = 'db.example', port = 22, alias}: Case,
	files: readonly string[],
): Promise<Outcome> {
	const prepared = await prepareHostKeyCheck({kind: 'strict', files}, {host, port, alias}, {signal: never});
	let refusal: Error | undefined;
	const client = new Client();
	return new Promise((resolve, reject) => {
		client.once('error', error => {
			client.destroy();
			if (refusal) resolve({accepted: false, why: refusal.message});
			else if (/authentication methods failed/.test(error.message)) resolve({accepted: true, why: ''});
			else reject(error);
		});
		client.connect({
			host: sshd.host,
			port: sshd.port,
			username: sshd.user,
			algorithms: {serverHostKey: prepared.algorithms as never},
			hostVerifier: (key: Buffer) => {
				refusal = prepared.check(key);
				return refusal === undefined;
			},
		});
	});
}
