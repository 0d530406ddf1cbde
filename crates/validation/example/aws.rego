# Rules over the code of stacks, to begin with: what is open to everybody, what is not encrypted,
# and modules whose version nobody fixed. docs/VALIDATION.md says what `input` has.
package security.aws

import rego.v1

# Nobody needs every port from everywhere.
deny contains finding if {
	some group in input.resources
	group.type in {"aws_security_group", "aws_default_security_group"}
	some ingress in group.values.ingress
	some range in ingress.cidr_blocks
	range == "0.0.0.0/0"
	not ingress.from_port in {80, 443}
	finding := {
		"rule": "open_to_the_world",
		"message": sprintf("%s lets everybody in on port %v", [group.address, ingress.from_port]),
		"resource": group.address,
		"attribute": "ingress",
	}
}

deny contains finding if {
	some bucket in input.resources
	bucket.type in {"aws_s3_bucket", "aws_s3_bucket_acl"}
	bucket.values.acl in {"public-read", "public-read-write"}
	finding := {
		"rule": "public_bucket",
		"message": sprintf("%s can be read by everybody", [bucket.address]),
		"resource": bucket.address,
		"attribute": "acl",
	}
}

deny contains finding if {
	some database in input.resources
	database.type == "aws_db_instance"
	not database.values.storage_encrypted == true
	not "storage_encrypted" in database.unknown
	"env:prod" in input.stack.labels
	finding := {
		"rule": "unencrypted_database",
		"message": sprintf("%s is not encrypted; say `storage_encrypted = true`", [database.address]),
		"resource": database.address,
	}
}

warn contains finding if {
	some call in input.modules
	contains(call.source, "git")
	not contains(call.source, "?ref=")
	finding := {
		"rule": "module_without_version",
		"message": sprintf("%s is whatever its branch holds on the day; fix a version by ?ref=", [call.address]),
		"resource": call.address,
		"attribute": "source",
	}
}
