// Prints a line for each failed test of a JSON report of vitest: its file, its name, and how its error begins.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
for (const file of report.testResults) {
  const failed = file.assertionResults.filter(({ status }) => status === 'failed');
  const name = relative(process.cwd(), file.name);
  for (const test of failed) console.log(`${name}: ${test.fullName}: ${firstLine(test.failureMessages[0])}`);
  // A file that does not load has no tests to count.
  if (file.status === 'failed' && failed.length === 0) console.log(`${name}: ${firstLine(file.message)}`);
}

function firstLine(text = '') {
  return text.split('\n')[0].slice(0, 300);
}
