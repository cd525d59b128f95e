# A policy as a user of conftest would write it (Rego v1): no mass deletes, no secret in clear sight.
package main

import rego.v1

deny contains msg if {
	n := count([rc | some rc in input.resource_changes; "delete" in rc.change.actions])
	n > 10
	msg := sprintf("the plan deletes %d objects, more than 10", [n])
}

secret(url) if regex.match(`://[^/?#]*:[^/?#]*@`, url)

secret(url) if regex.match(`\?[^#]*=`, url)

warn contains msg if {
	some rc in input.resource_changes
	some side in ["before", "after"]
	is_object(rc.change[side])
	is_string(rc.change[side].url)
	secret(rc.change[side].url)
	marked := rc.change[sprintf("%s_sensitive", [side])]
	not marked.url
	msg := sprintf("%s: url (%s) holds a secret and is not marked sensitive", [rc.address, side])
}
