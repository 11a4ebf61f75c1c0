// Mocha's spec reporter for people, and its counts as JSON for .ci/run.
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const pending = [];
    runner.on('pending', (test) => pending.push({ fullTitle: test.fullTitle() }));
    runner.once('end', () => {
      const { passes, failures } = this.stats;
      writeFileSync(options.reporterOptions.output, JSON.stringify({ stats: { passes, failures, pending: pending.length }, pending }));
    });
  }
};
