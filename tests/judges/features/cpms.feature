Feature: every CPMS in the plan is reached over an encrypted websocket

  # @noskip: a plan without any CPMS fails here, so a pass means that the plan was really read.
  @noskip
  Scenario: CPMS URLs begin with wss
    Given I have exolink_cpms defined
    Then it must contain url
    And its value must match the "^wss://.+" regex
