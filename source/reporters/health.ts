/**
 * Reports a backup to a monitoring service: `URL/start`, then `URL` or `URL/fail` with the end of the log (compatible
 * with healthchecks.io).
 */
import {messageOf} from '../core/errors.js';
import type {RunState} from '../core/run-state.js';
import {summaryLine} from '../core/summary.js';
import {display} from '../lib/display.js';
import {connectionFailure} from '../lib/http/connection-failure.js';
import type {HttpClients} from '../lib/http/http.js';
import {logLine} from '../lib/log-line.js';

export type HealthReporter = {
	readonly start: (state: RunState) => Promise<void>;
	readonly finish: (state: RunState) => Promise<void>;
};

export type HealthOptions = {
	/** `health_url`: the path is a secret, as are a user and a password in it. */
	readonly url: string;
	readonly fetch: HttpClients['fetch'];
	/** Called with one line without secrets: an unreachable service never fails a backup. */
	readonly onProblem: (text: string) => void;
	/** Milliseconds for one report; 10 seconds by default. */
	readonly timeout?: number;
};

export function createHealthReporter({url, fetch, onProblem, timeout = 10_000}: HealthOptions): HealthReporter {
	const base = parse(url);
	const report = async (suffix: string, {runId}: RunState, body: string) => {
		if (base === undefined) return onProblem('health_url is not an http:// or https:// URL');
		try {
			const status = await post(fetch, targetOf(base, suffix, runId), body, AbortSignal.timeout(timeout));
			if (status < 200 || status > 299) onProblem(statusText(status));
		} catch (error) {
			onProblem(`cannot reach the health check: ${reasonOf(error, timeout)}`);
		}
	};
	let started = Promise.resolve();
	return {
		start: state => (started = report('/start', state, '')),
		async finish(state) {
			await started; // a start that arrives later would be a run that never ends
			await report(state.finished?.exitCode === 0 ? '' : '/fail', state, logOf(state));
		},
	};
}

function parse(text: string): URL | undefined {
	const url = URL.parse(text);
	return url && /^https?:$/.test(url.protocol) ? url : undefined;
}

function targetOf(base: URL, suffix: string, runId: string): URL {
	const url = new URL(base);
	url.pathname = `${url.pathname.replace(/\/+$/, '')}${suffix}`;
	url.searchParams.set('rid', runId);
	return url;
}

const mostRedirects = 5;

/** Returns the status of the response. Follows redirects like a browser, without credentials for another origin. */
async function post(fetch: HttpClients['fetch'], first: URL, content: string, signal: AbortSignal): Promise<number> {
	const {username, password} = first;
	let url = first;
	let method = 'POST';
	for (let redirects = 0; ; redirects++) {
		const bare = new URL(url);
		bare.username = bare.password = '';
		const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
		const response = await fetch(bare, {
			method,
			...(method === 'POST' && {body: content}),
			...(user !== ':' &&
				bare.origin === first.origin && {headers: {authorization: `Basic ${Buffer.from(user).toString('base64')}`}}),
			signal,
		});
		await response.body?.cancel();
		const {status} = response;
		const next = URL.parse(response.headers.get('location') ?? '', url.href);
		const isRedirect = [301, 302, 303, 307, 308].includes(status) && next !== null && /^https?:$/.test(next.protocol);
		if (!isRedirect || redirects === mostRedirects) return status;
		if (status < 307) method = 'GET';
		url = next;
	}
}

function statusText(status: number): string {
	if (status === 407) return 'cannot reach the health check: the proxy requires a login (status 407)';
	return `the health check returned status ${status}`;
}

function reasonOf(error: unknown, timeout: number): string {
	if (error instanceof Error && error.name === 'TimeoutError') return `no response within ${timeout / 1000} s`;
	return connectionFailure(error) ?? messageOf(error);
}

/** The services accept 10 to 100 kB. */
const tailLines = 60;

function logOf(state: RunState): string {
	const lines = state.log
		.filter(line => line.level !== 'debug')
		.slice(-tailLines)
		.map(line => logLine(line.time, line.level, line.text).trimEnd());
	const alarms = Object.entries(state.shrunk ?? {}).map(
		([database, percent]) => `ALARM: the dump of ${display(database)} has lost ${percent} % since the last good one`,
	);
	return [summaryLine(state), ...alarms, ...lines, ''].join('\n');
}
