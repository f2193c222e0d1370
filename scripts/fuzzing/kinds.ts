/**
 * Everything that parses text of users. A parser throws our own errors for a rejected text, and no others; those of
 * files and strings name the position.
 */
import {readFileSync} from 'node:fs';
import {parseCommandLine} from '../../source/cli/parse.js';
import {readConfigFile} from '../../source/config/config-file.js';
import {convertLegacyConfig} from '../../source/config/legacy.js';
import {PgBackError} from '../../source/core/errors.js';
import {splitWords} from '../../source/lib/shell-words.js';
import {parseConnectionString} from '../../source/postgres/conninfo.js';

export type Kind = {
	/** Throws PgBackError, but not BUG, for a rejected text; any other error is a fault. */
	readonly read: (text: string) => unknown;
	/** Well-formed texts to mutate. */
	readonly samples: readonly string[];
};

const conf = readFileSync(new URL('../../pg_back.conf', import.meta.url), 'utf8');

export const kinds: Readonly<Record<string, Kind>> = {
	'config file': {
		read: text => {
			for (const {text: problem} of readConfigFile(text, 'f').problems) {
				if (!/^f:\d+: /.test(problem)) throw new Error(`a problem without its place: ${problem}`);
			}
		},
		samples: [
			conf,
			conf.replaceAll(/^# ?(?=[a-z_0-9]+ =)/gm, ''),
			'jobs = 4\n[a.b]\ntables = a\\,b, "c"\npg_dump_options = """\n-O -x\n"""\n[c]\nuser: `x#y`\n',
			"include_dbs = a, \\\n b\nhost = %(user)s # here\nuser = 'it;s'\n",
		],
	},
	'v1 config file': {
		read: text => {
			const {problems} = readConfigFile(convertLegacyConfig(text).output, 'f');
			if (problems[0]) throw new Error(`the conversion does not load: ${problems[0].text}`);
		},
		samples: [
			'PGBK_BIN=/usr/bin\nPGBK_BACKUP_DIR="/var/backups" # here\nPGBK_PURGE=30\nPGBK_OPTS=("-Fc" "-Z 9")\nSIGNATURE_ALGO=sha1\n',
			"PGBK_DBLIST='a b c'\nPGBK_WITH_TEMPLATES=yes\nPGBK_TIMESTAMP='%Y-%m-%d_%H-%M-%S'\nPGBK_OPTS='--format=d -j 2 -O'\nPGBK_CONNDB=\"host=x password='a # b'\"\n",
		],
	},
	'command line': {
		read: async text => parseCommandLine(text.split(' ')),
		samples: [
			'-h db1 -U postgres -b /backups -j 0x4 -S sha256 app orders',
			'-tqv -Fd --jobs=4 -P -1h -K all --no-encrypt=false -D a,"b,c" -- -x',
			'--download s3 --decrypt --cipher-identity-file key.txt orders_* -m 0640 --pause-timeout 1h30m',
		],
	},
	'connection string': {
		read: text => {
			try {
				return parseConnectionString(text);
			} catch (error) {
				if (error instanceof PgBackError && !/ at character \d+$/.test(error.message))
					throw new Error(`no place: ${error.message}`, {cause: error});
				throw error;
			}
		},
		samples: [
			"host=db1,db2 port=5432, user='it\\'s' password=a\\ b dbname='x y' connect_timeout=3",
			'postgresql://user:pa%24s@h1:5432,[::1]:5433,h3/d%20b?sslmode=require&application_name=x&options=-c%20a%3Db',
			'postgres:///db?host=%2Ftmp&port=5432&ssl=true',
		],
	},
	hook: {
		read: text => {
			const {problem} = splitWords(text);
			if (problem !== undefined && !/ at character \d+/.test(problem)) throw new Error(`no place: ${problem}`);
		},
		samples: [
			String.raw`/usr/bin/rsync -a --exclude '*.tmp' "/var/back ups/" b\ c:"x\"y\\z"''`,
			'sh -c \'test -d "$1"\' sh /x',
		],
	},
};
