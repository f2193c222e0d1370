/**
 * Every keyword of libpq's connection strings up to PostgreSQL 18
 * (https://www.postgresql.org/docs/18/libpq-connect.html), with the corresponding environment variable, which tools
 * older than 9.3 need because they accept no connection string.
 */
const environmentVariables = {
	application_name: 'PGAPPNAME',
	authtype: undefined,
	channel_binding: 'PGCHANNELBINDING',
	client_encoding: 'PGCLIENTENCODING',
	connect_timeout: 'PGCONNECT_TIMEOUT',
	dbname: 'PGDATABASE',
	fallback_application_name: undefined,
	gssdelegation: 'PGGSSDELEGATION',
	gssencmode: 'PGGSSENCMODE',
	gsslib: 'PGGSSLIB',
	host: 'PGHOST',
	hostaddr: 'PGHOSTADDR',
	keepalives: undefined,
	keepalives_count: undefined,
	keepalives_idle: undefined,
	keepalives_interval: undefined,
	krbsrvname: 'PGKRBSRVNAME',
	load_balance_hosts: 'PGLOADBALANCEHOSTS',
	max_protocol_version: 'PGMAXPROTOCOLVERSION',
	min_protocol_version: 'PGMINPROTOCOLVERSION',
	oauth_ca_file: 'PGOAUTHCAFILE',
	oauth_client_id: undefined,
	oauth_client_secret: undefined,
	oauth_issuer: undefined,
	oauth_scope: undefined,
	options: 'PGOPTIONS',
	passfile: 'PGPASSFILE',
	password: 'PGPASSWORD',
	port: 'PGPORT',
	replication: undefined,
	require_auth: 'PGREQUIREAUTH',
	requirepeer: 'PGREQUIREPEER',
	scram_client_key: undefined,
	scram_server_key: undefined,
	service: 'PGSERVICE',
	servicefile: 'PGSERVICEFILE',
	ssl_max_protocol_version: 'PGSSLMAXPROTOCOLVERSION',
	ssl_min_protocol_version: 'PGSSLMINPROTOCOLVERSION',
	sslcert: 'PGSSLCERT',
	sslcertmode: 'PGSSLCERTMODE',
	sslcompression: 'PGSSLCOMPRESSION',
	sslcrl: 'PGSSLCRL',
	sslcrldir: 'PGSSLCRLDIR',
	sslkey: 'PGSSLKEY',
	sslkeylogfile: undefined,
	sslmode: 'PGSSLMODE',
	sslnegotiation: 'PGSSLNEGOTIATION',
	sslpassword: undefined,
	sslrootcert: 'PGSSLROOTCERT',
	sslsni: 'PGSSLSNI',
	target_session_attrs: 'PGTARGETSESSIONATTRS',
	tcp_user_timeout: undefined,
	tty: undefined,
	user: 'PGUSER',
} as const satisfies Readonly<Record<string, string | undefined>>;

export type Keyword = keyof typeof environmentVariables;

/** Connection parameters; an empty value means libpq's default, not the environment's. */
export type Parameters = {readonly [K in Keyword]?: string};

export const keywords = Object.keys(environmentVariables) as readonly Keyword[];

/** Keywords with values that must not appear in argv, logs or errors. */
export const secretKeywords = [
	'password',
	'sslpassword',
	'oauth_client_secret',
	'scram_client_key',
	'scram_server_key',
] as const;

export function isKeyword(name: string): name is Keyword {
	return Object.hasOwn(environmentVariables, name);
}

/** Returns the parameters as PG* variables; those without one are omitted. */
export function asEnvironment(parameters: Parameters): Record<string, string> {
	const environment: Record<string, string> = {};
	for (const keyword of keywords) {
		const variable = environmentVariables[keyword];
		const value = parameters[keyword];
		if (variable !== undefined && value !== undefined) environment[variable] = value;
	}
	return environment;
}
