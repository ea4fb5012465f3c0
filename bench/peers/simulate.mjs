// Runs @cloud-copilot/iam-simulate over requests of `doorward evaluate`, one a line in the file named first.
// Prints one JSON document: the decisions, and the CPU seconds of each repetition, JSON parsing included. Usage: node simulate.mjs FILE REPETITIONS
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const [file, repetitions] = process.argv.slice(2)
const lines = readFileSync(file, 'utf8').split('\n').filter((line) => line)

const named = (policies) => policies.map((policy, index) => ({ name: `policy${index}`, policy }))
const levels = (given) => given.map((policies, index) => ({ orgIdentifier: `level${index}`, policies: named(policies) }))

function simulation({ request, policies }) {
  return {
    request: {
      principal: request.principal,
      action: request.action,
      resource: { resource: request.resource, accountId: request.resource_account },
      contextVariables: request.context
    },
    identityPolicies: named(policies.identity ?? []),
    serviceControlPolicies: levels(policies.service_control_policies ?? []),
    resourceControlPolicies: levels(policies.resource_control_policies ?? []),
    resourcePolicy: policies.resource,
    permissionBoundaryPolicies: policies.permissions_boundary ? named([policies.permissions_boundary]) : undefined,
    sessionPolicy: policies.session ?? undefined
  }
}

const outcome = (response) => (response.resultType === 'error' ? `error: ${JSON.stringify(response.errors)}` : response.overallResult)

const decisions = []
for (const line of lines) decisions.push(outcome(await runSimulation(simulation(JSON.parse(line)), {})))

const seconds = []
for (let repetition = 0; repetition < Number(repetitions); repetition++) {
  const before = process.cpuUsage()
  for (const line of lines) await runSimulation(simulation(JSON.parse(line)), {})
  const { user, system } = process.cpuUsage(before)
  seconds.push((user + system) / 1e6)
}
console.log(JSON.stringify({ decisions, seconds }))
