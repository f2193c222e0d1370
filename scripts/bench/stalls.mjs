// Preloaded into the program: at its end, writes the delays of its event loop in milliseconds to the file that STALLS names.
import {writeFileSync} from 'node:fs';
import {monitorEventLoopDelay} from 'node:perf_hooks';

const delays = monitorEventLoopDelay({resolution: 1});
delays.enable();
process.on('exit', () => {
	writeFileSync(process.env.STALLS, JSON.stringify({p99: delays.percentile(99) / 1e6, max: delays.max / 1e6}));
});
